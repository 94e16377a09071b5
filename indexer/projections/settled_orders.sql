-- fold -- entries of OrdersSettled, 53 bytes each
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
where f.chain_id = $1 and f.block_number between $2 and $3;

-- unfold -- everything from one block on
delete from blockchain.settled_orders where chain_id = $1 and block_number >= $2;
