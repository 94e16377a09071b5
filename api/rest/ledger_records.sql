-- transactions -- newest first, with what their receipts say
select (t.block_number << 20) + t.transaction_index as key, t.block_number, t.transaction_index, t.hash, t.block_time,
    t.sender, t.recipient, t.value, t.nonce, t.type, t.gas_limit, coalesce(r.effective_gas_price, t.gas_price) as gas_price,
    '0x' || encode(t.input, 'hex') as input, r.status, r.gas_used, r.contract_address
from blockchain.transactions t
left join blockchain.receipts r using (chain_id, block_number, transaction_index)
where t.chain_id = $1
  and ($2::bigint is null or (t.block_number, t.transaction_index) < ($2 >> 20, ($2 & 1048575)::integer))
  and ($3::bytea is null or t.sender = $3 or t.recipient = $3)
  and ($4::bytea is null or t.hash = $4)
  and ($6::bigint is null or t.block_number <= $6)
order by t.block_number desc, t.transaction_index desc
limit $5;

-- transfers -- newest first
select block_number, transaction_index, transaction_hash, block_time, trace_address, kind, sender, recipient, value
from blockchain.native_transfers
where chain_id = $1
  and ($2::bytea is null or sender = $2 or recipient = $2)
  and ($3::bytea is null or transaction_hash = $3)
  and ($5::bigint is null or block_number <= $5)
order by block_number desc, transaction_index desc, trace_address
limit $4;
