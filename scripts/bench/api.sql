-- orders -- an open continuous book of many limits in one slot
insert into trading.orders (digest, sequence, trader, side, zone, delivery_start, energy_wh, limit_price_per_kwh,
    time_in_force, source, expiry, lane, nonce, signature, received_at, shown_wh)
select sha256(int8send(n)), n, $1, case when n % 2 = 0 then 'buy' else 'sell' end, 1, to_timestamp($2), 1000,
    case when n % 2 = 0 then 100000 - n * 100 else 200000 + n * 100 end, 0, 0, $2::bigint + 86400, 1, n,
    decode(repeat('00', 65), 'hex'), to_timestamp($2), 1000
from generate_series(1, 400) as n;

-- blocks -- mirrored blocks, the newest at $2
insert into blockchain.blocks (chain_id, number, hash, parent_hash, "timestamp", transaction_count, gas_used)
select $1, n, sha256(int8send(n)), sha256(int8send(n - 1)), to_timestamp($3 + n), 3, 21000
from generate_series(1, $2::bigint) as n;

-- cursor -- the index stands at the newest
insert into blockchain.cursors (chain_id, block_number, block_hash, finalized_number, head_number)
select chain_id, number, hash, number - 10, number from blockchain.blocks where chain_id = $1 order by number desc limit 1;

-- naive -- the rows of a page of blocks, as PostgreSQL writes them in JSON
select coalesce(json_agg(page), '[]')::text from (
    select number, '0x' || encode(hash, 'hex') as hash, '0x' || encode(parent_hash, 'hex') as parent_hash,
        "timestamp", transaction_count, gas_used::text as gas_used
    from blockchain.blocks where chain_id = $1 order by number desc limit $2
) as page;

-- rows -- the rows of a page of blocks
select number, hash, parent_hash, "timestamp", transaction_count, gas_used
from blockchain.blocks where chain_id = $1 order by number desc limit $2;
