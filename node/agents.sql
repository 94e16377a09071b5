-- lock -- grants and proposals of one account are written one after another
select pg_advisory_xact_lock(1634166382, hashtext(encode($1::bytea, 'hex')));

-- known -- the account's last grant to an agent
select nonce, signature, revoked_at from identity.agents where account = $1 and agent = $2;

-- count -- other agents of an account that are in force ($1 account, $2 agent, $3 now)
select count(*) from identity.agents where account = $1 and agent <> $2 and revoked_at is null and expiry > $3;

-- grant -- in place of an earlier one
insert into identity.agents as known (
    account, agent, zones, max_wh_per_slot, max_buy_price_per_kwh, min_sell_price_per_kwh, expiry, nonce, signature
) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (account, agent) do update set
    zones = excluded.zones, max_wh_per_slot = excluded.max_wh_per_slot,
    max_buy_price_per_kwh = excluded.max_buy_price_per_kwh, min_sell_price_per_kwh = excluded.min_sell_price_per_kwh,
    expiry = excluded.expiry, nonce = excluded.nonce, signature = excluded.signature,
    granted_at = clock_timestamp(), revoked_at = null;

-- of_account -- who acts for an account
select account, agent, zones, max_wh_per_slot, max_buy_price_per_kwh, min_sell_price_per_kwh, expiry, nonce
from identity.agents where account = $1 and revoked_at is null and expiry > $2 order by granted_at;

-- of_agent -- whom a wallet acts for
select account, agent, zones, max_wh_per_slot, max_buy_price_per_kwh, min_sell_price_per_kwh, expiry, nonce
from identity.agents where agent = $1 and revoked_at is null and expiry > $2 order by granted_at;

-- in_force -- what an account lets a wallet do
select account, agent, zones, max_wh_per_slot, max_buy_price_per_kwh, min_sell_price_per_kwh, expiry, nonce
from identity.agents where account = $1 and agent = $2 and revoked_at is null and expiry > $3;

-- revoke -- from now on it is nobody
update identity.agents set revoked_at = clock_timestamp()
where account = $1 and agent = $2 and revoked_at is null returning agent;

-- withdraw_all -- what an agent has prepared
delete from trading.prepared_orders where account = $1 and agent = $2;

-- is_prepared -- whether an order is proposed already
select exists (select from trading.prepared_orders where digest = $1);

-- prepared_in_slot -- energy and count of what an agent has prepared for a slot, signed since or not
select coalesce(sum(energy_wh), 0)::bigint as energy_wh, count(*) as orders
from trading.prepared_orders where account = $1 and agent = $2 and delivery_start = $3;

-- prepare -- an order for the account to sign
insert into trading.prepared_orders (digest, account, agent, zone, delivery_start, energy_wh, terms)
values ($1, $2, $3, $4, $5, $6, $7);

-- prepared -- what waits to be signed
select p.digest, p.agent, p.terms, p.prepared_at from trading.prepared_orders p
where p.account = $1 and p.delivery_start > $2
  and not exists (select from trading.orders o where o.digest = p.digest)
order by p.delivery_start, p.prepared_at;

-- withdraw -- a proposal that the account has not signed
delete from trading.prepared_orders p where p.account = $1 and p.digest = $2
  and not exists (select from trading.orders o where o.digest = p.digest)
returning digest;
