-- page -- entries after one, in order
select sequence, table_name, record_id, operation, changed_by,
    (extract(epoch from changed_at) * 1000000)::bigint as changed_us,
    coalesce(old_values::text, '') as old_values, coalesce(new_values::text, '') as new_values, previous_hash, hash
from audit.audit_logs where sequence > $1 order by sequence limit $2

-- anchored -- entries whose hash stands on chain, in the order in which they came there
select slot_end::bigint as sequence, readings_root as hash
from blockchain.fact_production_ledger_registers_attested where chain_id = $1 and zone = $2
order by block_number, log_index

-- to_anchor -- the last entry, unless an anchor was asked for in the last $1 seconds or nothing was logged since
select l.sequence, l.hash
from audit.audit_logs l
where not exists (
    select from wallet.outbox where kind = 'anchor' and created_at > clock_timestamp() - make_interval(secs => $1))
  and not exists (select from wallet.outbox where key = 'anchor:' || l.sequence)
order by l.sequence desc limit 1
