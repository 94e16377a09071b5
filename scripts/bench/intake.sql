-- participants -- Everybody may buy and sell
insert into blockchain.participants
select $1, account, to_timestamp($3), 3, 276, 1 from unnest($2::bytea[]) as account;

-- balances -- Everybody has cash; the time is not used
insert into blockchain.account_balances (chain_id, account, cash, updated_block)
select $1, account, 1000000000000, 1 from unnest($2::bytea[]) as account where $3::float8 > 0;

-- mandates -- Everybody's imbalance may be charged
insert into blockchain.mandates
select $1, account, 1000000000000, 1000000000000, to_timestamp($3), 1, 1 from unnest($2::bytea[]) as account;

-- meters -- Everybody has a connection large enough for every order
insert into telemetry.meters (meter_id, owner, kind, zone, driver, device, address, key, fuse_w)
select number, account, 'home', 1, 'http', 'push', '-', account, 10000000
from unnest($1::bytea[]) with ordinality as accounts (account, number);

-- stored -- How many orders are in the sequence
select count(*) from trading.events e join trading.orders o on o.sequence = e.sequence and o.digest = e.subject;
