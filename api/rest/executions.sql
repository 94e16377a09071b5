-- executions -- newest first
select (block_number << 20) + transaction_index as key, block_number, transaction_index, transaction_hash, contract,
    caller, '0x' || encode(selector, 'hex') as selector, function_name, arguments, value, nonce, status, gas_limit,
    gas_used, gas_price, revert_reason, revert_source, executed_at
from blockchain.contract_executions
where chain_id = $1
  and ($2::bigint is null or (block_number, transaction_index) < ($2 >> 20, ($2 & 1048575)::integer))
  and ($3::bytea is null or contract = $3)
  and ($4::bytea is null or caller = $4)
  and ($5::text is null or status = $5)
order by block_number desc, transaction_index desc
limit $6;
