-- fold -- entries of OrdersSettled, 53 bytes each; those of MandatesSettled, 16 bytes each, are filed in lane 65536
with filled as (
    select f.chain_id, f.block_number, f.log_index, n, f.transaction_hash, f.sequence, f.delivery_start, f.version,
           substr(f.fills, n * 16 + 1, 16) as e,
           substr(b.mandates, (get_byte(f.fills, n * 16) * 128 + get_byte(f.fills, n * 16 + 1) / 2) * 54 + 1, 54) as m
    from blockchain.fact_settlement_exchange_mandates_settled f
    join blockchain.fact_settlement_exchange_mandates_registered b on b.chain_id = f.chain_id and b.book = f.book
    cross join generate_series(0, octet_length(f.fills) / 16 - 1) n
    where f.chain_id = $1 and f.block_number between $2 and $3
)
insert into blockchain.settled_orders
    (chain_id, block_number, log_index, entry, transaction_hash, sequence, delivery_start, version,
     trader, side, zone, lane, nonce, fill_wh, money, delivered_wh)
select f.chain_id, f.block_number, f.log_index, n, f.transaction_hash,
       least(f.sequence, 9223372036854775807)::bigint,
       to_timestamp(least(f.delivery_start, 253402300799)::bigint), f.version,
       substr(e, 1, 20),
       get_byte(e, 20),
       ('x' || encode(substr(e, 22, 4), 'hex'))::bit(32)::bigint,
       ('x' || encode(substr(e, 26, 2), 'hex'))::bit(16)::integer,
       ('x' || encode(substr(e, 28, 6), 'hex'))::bit(48)::bigint,
       ('x' || encode(substr(e, 34, 6), 'hex'))::bit(48)::bigint,
       ('x' || encode(substr(e, 40, 8), 'hex'))::bit(64)::bigint,
       ('x' || encode(substr(e, 48, 6), 'hex'))::bit(48)::bigint
from blockchain.fact_settlement_exchange_orders_settled f
cross join generate_series(0, octet_length(f.entries) / 53 - 1) n
cross join lateral (select substr(f.entries, n * 53 + 1, 53) as e) unpacked
where f.chain_id = $1 and f.block_number between $2 and $3
union all
select chain_id, block_number, log_index, n, transaction_hash,
       least(sequence, 9223372036854775807)::bigint,
       to_timestamp(least(delivery_start, 253402300799)::bigint), version,
       substr(m, 1, 20),
       get_byte(e, 1) & 1,
       ('x' || encode(substr(m, 21, 4), 'hex'))::bit(32)::bigint,
       65536,
       ('x' || encode(substr(m, 25, 6), 'hex'))::bit(48)::bigint,
       ('x' || encode(substr(e, 3, 4), 'hex'))::bit(32)::bigint,
       -- Six bytes in the upper part of eight keep their sign when shifted down.
       ('x' || encode(substr(e, 7, 6), 'hex') || '0000')::bit(64)::bigint >> 16,
       ('x' || encode(substr(e, 13, 4), 'hex'))::bit(32)::bigint
from filled;

-- unfold -- everything from one block on
delete from blockchain.settled_orders where chain_id = $1 and block_number >= $2;
