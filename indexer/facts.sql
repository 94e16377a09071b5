-- lock_schema -- one process at a time creates tables; held until the transaction ends
select pg_advisory_xact_lock(hashtext('gridtrace.indexer.schema'));

-- transfer_tables -- fact tables of ERC-20 Transfer events
select table_name
from information_schema.columns
where table_schema = 'blockchain' and table_name like 'fact\_%' and column_name in ('from', 'to', 'value')
group by table_name
having count(*) filter (where column_name in ('from', 'to') and data_type = 'bytea') = 2
   and count(*) filter (where column_name = 'value' and data_type = 'numeric') = 1
   and table_name like '%\_transfer'
order by table_name;

-- name_contract -- a contract of the manifest
insert into blockchain.smart_contracts (chain_id, address, name, start_block, abi)
values ($1, $2, $3, $4, $5)
on conflict (chain_id, address) do update set name = excluded.name, abi = excluded.abi
where (smart_contracts.name, smart_contracts.abi) is distinct from (excluded.name, excluded.abi);

-- keep_undecoded -- a log that could not be decoded, whole
insert into blockchain.undecoded_logs
    (chain_id, block_number, log_index, transaction_hash, address, topics, data, reason)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (chain_id, block_number, log_index) do update set reason = excluded.reason;

-- erase_blocks -- blocks from one number on
delete from blockchain.blocks where chain_id = $1 and number >= $2;
