-- fold -- fees not yet withdrawn, and the sequence number the next batch must carry
insert into blockchain.exchange_totals as state (chain_id, fees, next_sequence, updated_block)
select $1::bigint, sum(fee), max(next_sequence), max(block_number)
from (
    select fee, least(sequence + 1, 9223372036854775807)::bigint as next_sequence, block_number, chain_id
    from blockchain.fact_settlement_exchange_orders_settled
    where chain_id = $1 and block_number between $2 and $3
    union all
    select -cash, 0, block_number, chain_id
    from blockchain.fact_settlement_exchange_fees_withdrawn
    where chain_id = $1 and block_number between $2 and $3
) total
where $4::bigint[] is null or chain_id = any ($4)
having count(*) > 0
on conflict (chain_id) do update
set fees = state.fees + excluded.fees,
    next_sequence = greatest(state.next_sequence, excluded.next_sequence),
    updated_block = greatest(state.updated_block, excluded.updated_block);

-- touched -- the chain itself, if it has a batch or a pay-out of fees from one block on
select array_agg(distinct chain_id) from (
    select chain_id from blockchain.fact_settlement_exchange_orders_settled
    where chain_id = $1 and block_number >= $2
    union all
    select chain_id from blockchain.fact_settlement_exchange_fees_withdrawn
    where chain_id = $1 and block_number >= $2
) total;

-- clear -- forget the totals
delete from blockchain.exchange_totals where chain_id = $1 and chain_id = any ($2::bigint[]);
