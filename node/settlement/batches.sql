-- of -- the batches of a settlement in their order
select ordinal, batch_sequence as sequence, transaction_hash, block_number, gas_used
from trading.settlement_batches where settlement_id = $1 order by ordinal

-- submit -- a batch and its number
insert into trading.settlement_batches (settlement_id, ordinal, batch_sequence, batch) values ($1, $2, $3, $4)

-- place -- where the mirrored chain has a batch, or that it has it no more
update trading.settlement_batches set transaction_hash = $3, block_number = $4, gas_used = $5
where settlement_id = $1 and ordinal = $2

-- remove -- from a batch on: a reorganisation took them out of the chain
update trading.settlement_batches set transaction_hash = null, block_number = null, gas_used = null
where settlement_id = $1 and ordinal >= $2

-- withdraw -- from a batch on: their numbers are free again
delete from trading.settlement_batches where settlement_id = $1 and ordinal >= $2

-- sum_up -- the settlement's own columns; $2: a batch came to stand elsewhere
update trading.settlements s
set batch_sequence = last.batch_sequence, transaction_hash = last.transaction_hash, block_number = last.block_number,
    gas_used = (
        select case when count(*) = count(gas_used) then sum(gas_used)::bigint end
        from trading.settlement_batches b where b.settlement_id = s.settlement_id and b.block_number is not null),
    is_audited = s.is_audited and not $2
from (select $1::bigint as settlement_id) asked
left join lateral (
    select batch_sequence, transaction_hash, block_number from trading.settlement_batches b
    where b.settlement_id = asked.settlement_id order by ordinal desc limit 1
) last on true
where s.settlement_id = asked.settlement_id
