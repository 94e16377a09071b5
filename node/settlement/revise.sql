-- due -- slots whose last version misses a meter that may be proved since or does not know late readings that it rests
-- on, and slots that ended before $2 unless final
select s.zone, extract(epoch from s.delivery_start)::bigint as delivery_start
from trading.settlements s
join trading.auctions a on a.zone = s.zone and a.delivery_start = s.delivery_start
where s.final_at is null and s.state in ('settled', 'failed') and s.zones && $1::bigint[]
  and not exists (
      select from trading.settlements later
      where later.zone = s.zone and later.delivery_start = s.delivery_start and later.version > s.version)
  and (a.delivery_start + make_interval(secs => a.slot_s) <= to_timestamp($2)
      or exists (
          select from telemetry.late_readings l
          join telemetry.slot_energy e on e.meter_id = l.meter_id and e.delivery_start = s.delivery_start
              and e.version = s.version
          where l.is_settled and l.number > s.late_readings
            and (tstzrange(l.from_time, l.to_time, '()') @> a.delivery_start
                or tstzrange(l.from_time, l.to_time, '()') @> a.delivery_start + make_interval(secs => a.slot_s)))
      or s.missing_meters > 0 and exists (
          select from telemetry.slot_energy e
          join telemetry.readings r on r.meter_id = e.meter_id
          where e.delivery_start = s.delivery_start and e.version = s.version and e.state <> 'VALIDATED'
            -- No reading further off than the longest gap ($4) proves anything of the slot.
            and r.state = 'VALIDATED' and r."time" >= a.delivery_start - make_interval(secs => $4)
            and r."time" <= a.delivery_start + make_interval(secs => a.slot_s + $4)
            -- Whoever wrote a reading may commit it a moment after it was stamped.
            and r.received_at > coalesce(s.looked_at, s.computed_at) - interval '2 seconds'))
order by s.looked_at nulls first, s.delivery_start, s.zone
limit $3

-- newest -- a slot's newest version; whoever holds its row revises the slot
select s.settlement_id, s.version, s.state, s.final_at, a.slot_s, s.zones,
    extract(epoch from s.delivery_start)::bigint as delivery_start, exists (
        select from trading.settlement_batches b
        where b.settlement_id = s.settlement_id and b.block_number is not null) as is_on_chain
from trading.settlements s
join trading.auctions a on a.zone = s.zone and a.delivery_start = s.delivery_start
where s.zone = $1 and s.delivery_start = to_timestamp($2)
order by s.version desc limit 1
for update of s

-- base -- the newest version that is settled, which the next one settles the difference to
select settlement_id, zone, zones, extract(epoch from delivery_start)::bigint as delivery_start, version, late_readings
from trading.settlements
where zone = $1 and delivery_start = to_timestamp($2) and state = 'settled'
order by version desc limit 1

-- looked -- a version was compared with the readings; the last time it becomes final
update trading.settlements
set looked_at = clock_timestamp(), final_at = case when $2 then clock_timestamp() end,
    late_readings = telemetry.newest_late_reading()
where settlement_id = $1
