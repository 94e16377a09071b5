-- due -- settlements that came to an end, are in the mirror, and were not audited since
select s.zone, extract(epoch from s.delivery_start)::bigint as delivery_start
from trading.settlements s
join blockchain.cursors m on m.chain_id = $1 and m.stream = 'main'
where not s.is_audited and s.state in ('settled', 'failed') and coalesce(s.block_number, 0) <= m.block_number
group by s.delivery_start, s.zone
order by s.delivery_start, s.zone
limit $2

-- audited -- a settlement was checked, unless it has moved on while it was
update trading.settlements set is_audited = true
where settlement_id = $1 and state = $2 and block_number is not distinct from $3

-- forget -- the checks of a slot's earlier versions: the last one is of all of them
delete from audit.slot_checks where zone = $1 and delivery_start = to_timestamp($2)

-- store -- the last check of a slot
insert into audit.slot_checks (zone, delivery_start, version, differences, findings, block_number, checked_at)
values ($1, to_timestamp($2), $3, $4, $5, $6, clock_timestamp())
on conflict (zone, delivery_start, version) do update
set differences = excluded.differences, findings = excluded.findings, block_number = excluded.block_number,
    checked_at = excluded.checked_at

-- checks -- a page of checks, latest slot first; every argument that is null does not restrict
select zone, extract(epoch from delivery_start)::bigint as delivery_start, version, differences, findings, block_number,
    checked_at
from audit.slot_checks
where ($1::bigint is null or zone = $1)
  and ($2::bigint is null or delivery_start < to_timestamp($2))
order by delivery_start desc, zone, version desc
limit $3

-- total -- how many slots were checked, and all their differences
select count(*) as slots, coalesce(sum(differences), 0)::bigint
    + (select coalesce(sum(differences), 0)::bigint from audit.asset_checks) as differences from audit.slot_checks

-- slots -- settled slots of a zone in a range of time
select distinct extract(epoch from delivery_start)::bigint as delivery_start
from trading.settlements
where zone = $1 and delivery_start >= to_timestamp($2) and delivery_start < to_timestamp($3)
order by delivery_start
