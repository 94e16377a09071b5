-- register_meter -- a meter that is already there is left as it is
insert into telemetry.meters
    (meter_id, owner, kind, plant_id, zone, driver, device, address, key, fuse_w, active,
    appliance, consumption_type, part_of)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
on conflict (meter_id) do nothing

-- meters -- every argument that is null does not restrict
select meter_id, owner, kind, plant_id, zone, driver, device, address, key, fuse_w, active,
    appliance, consumption_type, part_of
from telemetry.meters
where ($1::bigint is null or zone = $1)
  and ($2::bytea is null or owner = $2)
  and ($3::text is null or driver = $3)
  and ($4::bigint[] is null or meter_id = any($4))
  and (active or not $5)
order by meter_id

-- latest -- end of each meter's chain of valid readings
select meter_id, extract(epoch from "time")::bigint as "time", counter, import_wh, export_wh, power_w
from telemetry.latest
where meter_id = any($1::bigint[])

-- slot_brackets -- readings around a slot's ends, as (time, counter, import, export, power), per active meter or appliance
select m.meter_id, m.owner, m.kind,
    start_before.r as start_before, start_after.r as start_after,
    end_before.r as end_before, end_after.r as end_after
from telemetry.meters as m
left join lateral (
    select array[extract(epoch from "time")::bigint, counter, import_wh, export_wh, power_w] as r
    from telemetry.readings
    where meter_id = m.meter_id and state = 'VALIDATED' and "time" <= to_timestamp($2::bigint)
    order by "time" desc, counter desc
    limit 1
) as start_before on true
left join lateral (
    select array[extract(epoch from "time")::bigint, counter, import_wh, export_wh, power_w] as r
    from telemetry.readings
    where meter_id = m.meter_id and state = 'VALIDATED' and "time" >= to_timestamp($2::bigint)
    order by "time", counter
    limit 1
) as start_after on true
left join lateral (
    select array[extract(epoch from "time")::bigint, counter, import_wh, export_wh, power_w] as r
    from telemetry.readings
    where meter_id = m.meter_id and state = 'VALIDATED' and "time" <= to_timestamp($3::bigint)
    order by "time" desc, counter desc
    limit 1
) as end_before on true
left join lateral (
    select array[extract(epoch from "time")::bigint, counter, import_wh, export_wh, power_w] as r
    from telemetry.readings
    where meter_id = m.meter_id and state = 'VALIDATED' and "time" >= to_timestamp($3::bigint)
    order by "time", counter
    limit 1
) as end_after on true
where m.zone = $1 and m.active and (m.kind = 'appliance') = $4
order by m.meter_id

-- ready -- whether no active meter of the zone that settles still lacks a valid reading at or after the time
select not exists (
    select from telemetry.meters as m
    left join telemetry.latest as l using (meter_id)
    where m.zone = $1 and m.active and m.kind <> 'appliance' and (l."time" is null or l."time" < to_timestamp($2::bigint))
)

-- store_slot_energy -- a version, once stored, stands
insert into telemetry.slot_energy
    (meter_id, delivery_start, slot_s, version, import_register_wh, export_register_wh, import_wh, export_wh, state)
select meter_id, to_timestamp($1::bigint), $2, $3, import_register_wh, export_register_wh, import_wh, export_wh, state
from unnest($4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[])
    as given (meter_id, import_register_wh, export_register_wh, import_wh, export_wh, state)
on conflict (meter_id, delivery_start, version) do nothing

-- sum_hour -- of the newest versions of the slots in the hour of a delivery start
insert into telemetry.energy_hourly as known (meter_id, hour, import_wh, export_wh, slots, proved)
select meter_id, to_timestamp($1::bigint / 3600 * 3600), sum(import_wh), sum(export_wh), count(*),
    count(*) filter (where state = 'VALIDATED')
from (
    select distinct on (meter_id, delivery_start) meter_id, import_wh, export_wh, state
    from telemetry.slot_energy
    where meter_id = any($2::bigint[])
        and delivery_start >= to_timestamp($1::bigint / 3600 * 3600)
        and delivery_start < to_timestamp($1::bigint / 3600 * 3600 + 3600)
    order by meter_id, delivery_start, version desc
) as newest
group by meter_id
on conflict (meter_id, hour) do update set
    import_wh = excluded.import_wh, export_wh = excluded.export_wh, slots = excluded.slots, proved = excluded.proved

-- finalise -- one version of a zone's slot
update telemetry.slot_energy as e
set final_at = clock_timestamp()
from telemetry.meters as m
where m.meter_id = e.meter_id and m.zone = $1 and e.delivery_start = to_timestamp($2::bigint) and e.version = $3
    and e.final_at is null

-- load_slot_energy -- of one version of a slot
select m.meter_id, m.owner, m.kind,
    e.import_wh, e.export_wh, e.import_register_wh, e.export_register_wh, e.state
from telemetry.slot_energy as e
join telemetry.meters as m using (meter_id)
where m.zone = $1 and e.delivery_start = to_timestamp($2::bigint) and e.version = $3
order by m.meter_id

-- energy -- the newest version of each slot
select distinct on (delivery_start)
    extract(epoch from delivery_start)::bigint as delivery_start, version, import_wh, export_wh, state
from telemetry.slot_energy
where meter_id = $1 and slot_s = $4
  and delivery_start >= to_timestamp($2::bigint) and delivery_start < to_timestamp($3::bigint)
order by delivery_start, version desc

-- raw_readings -- of the zone's meters from the last at or before one time to the first at or after another
-- Of those that were late, the ones up to number $4, or with null all.
select r.meter_id, extract(epoch from r."time")::bigint as "time", r.counter,
    r.import_wh, r.export_wh, r.power_w, r.signature, r.signer
from telemetry.meters as m
left join lateral (
    select "time" from telemetry.readings as r
    where meter_id = m.meter_id and state = 'VALIDATED' and "time" <= to_timestamp($2::bigint)
      and ($4::bigint is null or not exists (
        select from telemetry.late_readings as l
        where l.meter_id = r.meter_id and l."time" = r."time" and l.counter = r.counter and l.number > $4))
    order by "time" desc
    limit 1
) as first on true
left join lateral (
    select "time" from telemetry.readings as r
    where meter_id = m.meter_id and state = 'VALIDATED' and "time" >= to_timestamp($3::bigint)
      and ($4::bigint is null or not exists (
        select from telemetry.late_readings as l
        where l.meter_id = r.meter_id and l."time" = r."time" and l.counter = r.counter and l.number > $4))
    order by "time"
    limit 1
) as last on true
join lateral (
    select * from telemetry.readings as r
    where meter_id = m.meter_id and state = 'VALIDATED'
      and "time" >= coalesce(first."time", to_timestamp($2::bigint))
      and "time" <= coalesce(last."time", to_timestamp($3::bigint))
      and ($4::bigint is null or not exists (
        select from telemetry.late_readings as l
        where l.meter_id = r.meter_id and l."time" = r."time" and l.counter = r.counter and l.number > $4))
) as r on true
where m.zone = $1
order by r.meter_id, r."time", r.counter
