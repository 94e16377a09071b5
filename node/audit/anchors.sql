-- due -- the last entry of each log that has none for a day and has grown since its last anchor
select head.log, head.sequence, head.hash
from (
    (select 'audit.audit_logs' as log, sequence, hash from audit.audit_logs order by sequence desc limit 1)
    union all
    (select 'trading.events', sequence, hash from trading.events order by sequence desc limit 1)
) as head
where not exists (
    select from audit.anchors a where a.log = head.log and (a.day = $1 or a.sequence >= head.sequence))
order by head.log

-- asked -- remembers what was asked for
insert into audit.anchors (log, day, sequence, hash, outbox_id) values ($1, $2, $3, $4, $5)

-- mirrored -- entries whose hash stands on chain, in the order in which they came there
select slot_end::bigint as sequence, readings_root as hash, block_number
from blockchain.fact_production_ledger_registers_attested where chain_id = $1 and zone = $2
order by block_number, log_index
