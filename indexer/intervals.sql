-- remove -- what is no multiple of the interval; all of it where there is none
delete from blockchain.chain_intervals where chain_id = $1 and ($2::bigint is null or block_number % $2 <> 0);

-- add -- the indexed blocks that are, and were not noted
insert into blockchain.chain_intervals
    (chain_id, block_number, log_index, transaction_hash, block_time, emitter, hash)
select chain_id, number, $4::bigint, decode(repeat('00', 32), 'hex'), "timestamp", decode(repeat('00', 20), 'hex'), hash
from blockchain.blocks
where chain_id = $1 and number >= $3 and number % $2 = 0
on conflict (chain_id, block_number, log_index) do nothing;
