-- fold -- entries of ImbalanceSettled, 28 bytes each
insert into blockchain.settled_imbalances
    (chain_id, block_number, log_index, entry, transaction_hash, sequence, delivery_start, version,
     account, money)
select f.chain_id, f.block_number, f.log_index, n, f.transaction_hash,
       least(f.sequence, 9223372036854775807)::bigint,
       to_timestamp(least(f.delivery_start, 253402300799)::bigint), f.version,
       substr(e, 1, 20),
       ('x' || encode(substr(e, 21, 8), 'hex'))::bit(64)::bigint
from blockchain.fact_settlement_exchange_imbalance_settled f
cross join generate_series(0, octet_length(f.entries) / 28 - 1) n
cross join lateral (select substr(f.entries, n * 28 + 1, 28) as e) unpacked
where f.chain_id = $1 and f.block_number between $2 and $3;

-- unfold -- everything from one block on
delete from blockchain.settled_imbalances where chain_id = $1 and block_number >= $2;
