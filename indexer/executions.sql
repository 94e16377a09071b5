-- sources -- contracts whose calls are kept
select contract from blockchain.execution_sources where chain_id = $1;

-- add_source -- a contract whose calls are kept from now on
insert into blockchain.execution_sources (chain_id, contract) values ($1, $2) on conflict do nothing;

-- remove_sources -- contracts whose calls are not wanted any more; what is kept of them stays
delete from blockchain.execution_sources where chain_id = $1 and contract <> all ($2::bytea[]);

-- begin -- the follower's cursor, before the first block or back to before a new contract's
insert into blockchain.cursors (chain_id, stream, block_number, block_hash)
values ($1, 'executions', $2, '')
on conflict (chain_id, stream) do update
set block_number = least(cursors.block_number, excluded.block_number), block_hash = '', updated_at = clock_timestamp();

-- cursor -- how far the calls are kept
select block_number from blockchain.cursors where chain_id = $1 and stream = 'executions';

-- following -- indexed blocks after one
select number, hash, transaction_count, parent_hash, extract(epoch from "timestamp")::bigint as time
from blockchain.blocks
where chain_id = $1 and number > $2
order by number
limit $3;

-- hold -- the blocks as they are now; a reorganisation waits until we are done
select number, hash from blockchain.blocks
where chain_id = $1 and number between $2 and $3
order by number
for key share;

-- move -- the follower's cursor, unless a reorganisation has taken it back
update blockchain.cursors
set block_number = $3, block_hash = $4, updated_at = clock_timestamp()
where chain_id = $1 and stream = 'executions' and block_number = $2;

-- keep -- one call
insert into blockchain.contract_executions
    (chain_id, block_number, transaction_index, transaction_hash, contract, caller, selector, function_name, arguments,
     input, value, nonce, status, gas_limit, gas_used, gas_price, revert_reason, revert_data, revert_source, executed_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, to_timestamp($20::bigint))
on conflict (chain_id, block_number, transaction_index) do nothing;

-- lock -- one follower of a chain: held until the connection ends
select pg_try_advisory_lock(hashtextextended('gridtrace.executions', $1));
