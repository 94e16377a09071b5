-- following -- events whose history is in
select fact_table, emitter from blockchain.sources where chain_id = $1 and next_block is null;

-- known -- what was read so far
select source from blockchain.follower_sources where chain_id = $1 and stream = 'reads';

-- finalized -- up to where the mirror is final
select finalized_number from blockchain.cursors where chain_id = $1 and stream = 'main';

-- back_to -- the reads' cursor, to before a block
update blockchain.cursors set block_number = least(block_number, $2), block_hash = '' where chain_id = $1 and stream = 'reads';
