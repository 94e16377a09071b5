-- sources -- events that follow the cursor: what their transactions are is known
select fact_table, emitter, start_block from blockchain.sources where chain_id = $1 and next_block is null;

-- keep_transaction -- one transaction
insert into blockchain.transactions
    (chain_id, block_number, transaction_index, hash, block_time, sender, recipient, value, nonce, type, gas_limit,
     gas_price, max_fee_per_gas, max_priority_fee_per_gas, input)
values ($1, $2, $3, $4, to_timestamp($5::bigint), $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
on conflict (chain_id, block_number, transaction_index) do nothing;

-- keep_receipt -- of one transaction
insert into blockchain.receipts
    (chain_id, block_number, transaction_index, transaction_hash, block_time, status, gas_used, cumulative_gas_used,
     effective_gas_price, contract_address, logs)
values ($1, $2, $3, $4, to_timestamp($5::bigint), $6, $7, $8, $9, $10, $11)
on conflict (chain_id, block_number, transaction_index) do nothing;

-- keep_transfer -- coins that moved
insert into blockchain.native_transfers
    (chain_id, block_number, transaction_index, trace_address, transaction_hash, block_time, kind, sender, recipient, value)
values ($1, $2, $3, $4, $5, to_timestamp($6::bigint), $7, $8, $9, $10)
on conflict (chain_id, block_number, transaction_index, trace_address) do nothing;

-- keep_trace -- one call
insert into blockchain.call_traces
    (chain_id, block_number, transaction_index, trace_address, transaction_hash, block_time, kind, sender, recipient,
     value, gas, gas_used, input, output, error, reverted)
values ($1, $2, $3, $4, $5, to_timestamp($6::bigint), $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
on conflict (chain_id, block_number, transaction_index, trace_address) do nothing;
