-- entries -- logged changes after one, in order
select sequence, table_name, record_id, operation, changed_by,
    (extract(epoch from changed_at) * 1000000)::bigint as changed_us,
    coalesce(old_values::text, '') as old_values, coalesce(new_values::text, '') as new_values, previous_hash, hash
from audit.audit_logs where sequence > $1 order by sequence limit $2

-- events -- links of the market's sequence after one, in order
select sequence, kind, subject, payload, previous_hash, hash
from trading.events where sequence > $1 order by sequence limit $2
