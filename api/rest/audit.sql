-- slot_checks -- the last look at each slot's newest version, newest first; the key is slot and zone in one number
select * from (
    select distinct on (delivery_start, zone)
        zone, delivery_start, version, differences, findings, block_number, checked_at,
        (extract(epoch from delivery_start)::bigint << 31) | zone as key
    from audit.slot_checks
    where $1::bigint is null or zone = $1
    order by delivery_start, zone, version desc
) as newest
where $2::bigint is null or key < $2
order by key desc
limit $3;

-- totals -- over all checked slots
select coalesce(sum(differences), 0)::bigint as differences, count(*) as slots_checked
from audit.slot_checks where $1::bigint is null or zone = $1;

-- check -- the last look at a slot's newest version
select zone, delivery_start, version, differences, findings, block_number, checked_at
from audit.slot_checks where zone = $1 and delivery_start = $2 order by version desc limit 1;
