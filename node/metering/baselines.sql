-- store -- a beginning, once stored, stands
insert into telemetry.meter_baselines
    (meter_id, since, import_base_wh, export_base_wh, serial, reason, confirmed_by)
values ($1, to_timestamp($2::bigint), $3, $4, $5, $6, $7)
on conflict (meter_id, since) do nothing

-- store_after -- later than any that is there
insert into telemetry.meter_baselines
    (meter_id, since, import_base_wh, export_base_wh, serial, reason, confirmed_by)
select $1, greatest(to_timestamp($2::bigint), max(since) + interval '1 second'), $3, $4, $5, $6, $7
from telemetry.meter_baselines
where meter_id = $1

-- newest -- of each meter
select distinct on (meter_id) meter_id, extract(epoch from since)::bigint as since,
    import_base_wh, export_base_wh, serial
from telemetry.meter_baselines
order by meter_id, since desc

-- replaced -- the open fault, locked
select evidence, extract(epoch from last_seen)::bigint as last_seen
from telemetry.meter_faults
where meter_id = $1 and kind = 'replaced' and until is null
for update

-- last_registers -- end of the meter's chain
select import_wh, export_wh from telemetry.latest where meter_id = $1
