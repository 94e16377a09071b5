-- slot_checks -- newest first, keyed by slot, zone and version in one number
select zone, delivery_start, version, differences, findings, block_number, checked_at,
    extract(epoch from delivery_start)::bigint as key
from audit.slot_checks
where ($1::bigint is null or zone = $1)
  and ($2::bigint is null or delivery_start < to_timestamp($2::bigint))
order by delivery_start desc, zone, version desc
limit $3;

-- totals -- over all checked slots
select coalesce(sum(differences), 0)::bigint as differences, count(*) as slots_checked
from audit.slot_checks where $1::bigint is null or zone = $1;

-- check -- the last look at a slot's newest version
select zone, delivery_start, version, differences, findings, block_number, checked_at
from audit.slot_checks where zone = $1 and delivery_start = $2 order by version desc limit 1;
