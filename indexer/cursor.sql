-- load -- the cursor of a chain
select chain_id, block_number as number, block_hash as hash, finalized_number as finalized,
       safe_number as safe, head_number as head, reorg_epoch as epoch,
       events_indexed as events, state, state_reason as reason
from blockchain.cursors
where chain_id = $1 and stream = 'main';

-- save -- moves the cursor
insert into blockchain.cursors
    (chain_id, block_number, block_hash, finalized_number, safe_number, head_number, reorg_epoch, events_indexed,
     state, state_reason)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (chain_id, stream) do update
set block_number = excluded.block_number, block_hash = excluded.block_hash,
    finalized_number = excluded.finalized_number, safe_number = excluded.safe_number,
    head_number = excluded.head_number,
    reorg_epoch = excluded.reorg_epoch, events_indexed = excluded.events_indexed,
    state = excluded.state, state_reason = excluded.state_reason, updated_at = clock_timestamp();

-- hashes -- of the indexed blocks in a range
select number, hash from blockchain.blocks where chain_id = $1 and number between $2 and $3;

-- timestamp -- Unix seconds of a block
select extract(epoch from "timestamp")::bigint from blockchain.blocks where chain_id = $1 and number = $2;

-- notify -- to whoever listens
select pg_notify($1, $2);

-- lock_cursor -- until the transaction ends: who writes a halted chain's cursor looks at it first
select 1 from blockchain.cursors where chain_id = $1 and stream = 'main' for update;

-- lock_chain -- one writer per chain: held until the connection ends
select pg_try_advisory_lock(hashtextextended('gridtrace.indexer', $1));
