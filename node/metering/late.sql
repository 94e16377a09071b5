-- stored_already -- which of the readings are valid ones that are there
select given.meter_id, given.time_s, given.counter
from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as given (meter_id, time_s, counter)
join telemetry.readings as r
    on r.meter_id = given.meter_id and r."time" = to_timestamp(given.time_s) and r.counter = given.counter
where r.state = 'VALIDATED'

-- hold -- no reading becomes known late until the transaction ends
select pg_advisory_xact_lock_shared(hashtextextended('telemetry.late_readings', 0))

-- lock -- one becomes known after the other, and none while a slot's energy is computed
select pg_advisory_xact_lock(hashtextextended('telemetry.late_readings', 0))

-- around -- the valid readings before and after a time, and which slots of the meter rest on what lies between them
with before as (
    select * from telemetry.readings
    where meter_id = $1 and state = 'VALIDATED' and "time" <= to_timestamp($2::bigint)
    order by "time" desc, counter desc
    limit 1
), after as (
    select * from telemetry.readings
    where meter_id = $1 and state = 'VALIDATED' and "time" > to_timestamp($2::bigint)
    order by "time", counter
    limit 1
), used as (
    select e.delivery_start + e.slot_s * interval '1 second' as slot_end, e.slot_s, m.kind, s.is_final
    from telemetry.slot_energy as e
    join telemetry.meters as m using (meter_id)
    -- Whichever version is final, the slot is.
    cross join lateral (
        select exists (
            select from telemetry.slot_energy as f
            where f.meter_id = e.meter_id and f.delivery_start = e.delivery_start and f.final_at is not null
        ) as is_final
    ) as s
    cross join lateral (
        values (e.delivery_start), (e.delivery_start + e.slot_s * interval '1 second')
    ) as boundary (at)
    where e.meter_id = $1 and boundary.at < (select "time" from after)
        and boundary.at > coalesce((select "time" from before), '-infinity')
)
select
    (select array[extract(epoch from "time")::bigint, counter, import_wh, export_wh, power_w] from before) as before,
    (select array[extract(epoch from "time")::bigint, counter, import_wh, export_wh, power_w] from after) as after,
    exists (select from used) as is_used,
    exists (select from used where is_final or kind = 'appliance') as is_fixed,
    (select extract(epoch from max(slot_end))::bigint from used) as settled_until,
    (select max(slot_s) from used) as slot_s

-- remember -- a reading between two others, under the next number
insert into telemetry.late_readings (number, meter_id, "time", counter, from_time, to_time, is_settled)
select coalesce(max(number), 0) + 1, $1, to_timestamp($2::bigint), $3, coalesce(to_timestamp($4::bigint), '-infinity'),
    to_timestamp($5::bigint), $6
from telemetry.late_readings

-- corrected -- meters of which readings became known after one with this number, that a slot from $2 to $3 rests on
select distinct meter_id
from telemetry.late_readings
where is_settled and number > $1
  and (tstzrange(from_time, to_time, '()') @> to_timestamp($2::bigint)
      or tstzrange(from_time, to_time, '()') @> to_timestamp($3::bigint))
