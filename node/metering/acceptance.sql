-- lock_chains -- one writer at a time extends the chains of these meters; their numbers come sorted
select pg_advisory_xact_lock(1835365490, bucket) from unnest($1::integer[]) as bucket

-- chains -- of the active meters: whose key signs, what the connection carries, the last valid reading
select m.meter_id, m.key, m.fuse_w,
    array(select k.key from telemetry.meter_keys as k where k.meter_id = m.meter_id)::bytea[] as revoked,
    extract(epoch from l."time")::bigint as "time", l.counter, l.import_wh, l.export_wh, l.power_w
from telemetry.meters as m
left join telemetry.latest as l using (meter_id)
where m.meter_id = any($1::bigint[]) and m.active

-- ensure_partitions -- of the given times' months, unless the default partition has taken rows of that month
select telemetry.ensure_readings_partition(month)
from (
    select distinct date_trunc('month', to_timestamp(given) at time zone 'UTC') at time zone 'UTC' as month
    from unnest($1::bigint[]) as given
) as months
where to_regclass('telemetry.readings_' || to_char(month at time zone 'UTC', 'YYYY_MM')) is null
  and not exists (
    select from telemetry.readings_default as astray
    where astray."time" >= month and astray."time" < month + interval '1 month'
)

-- first -- the ends of chains that begin
insert into telemetry.latest (meter_id, "time", counter, import_wh, export_wh, power_w)
select meter_id, to_timestamp(time_s), counter, import_wh, export_wh, power_w
from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
    as given (meter_id, time_s, counter, import_wh, export_wh, power_w)

-- newest -- the ends of chains that go on
update telemetry.latest as latest
set "time" = to_timestamp(given.time_s), counter = given.counter, import_wh = given.import_wh,
    export_wh = given.export_wh, power_w = given.power_w
from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
    as given (meter_id, time_s, counter, import_wh, export_wh, power_w)
where latest.meter_id = given.meter_id

-- store_readings -- what was already there is not in the answer; one refused before (clock ahead) may now be valid
with given as (
    select *, to_timestamp(time_s) as "time"
    from unnest(
        $1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
        $7::bytea[], $8::bytea[], $9::text[], $10::text[]
    ) as given (
        meter_id, time_s, counter, import_wh, export_wh, power_w, signature, signer, state, reason
    )
)
insert into telemetry.readings as readings
    (meter_id, "time", counter, import_wh, export_wh, power_w, signature, signer, state, reason)
select meter_id, "time", counter, import_wh, export_wh, power_w, signature, signer, state, reason
from given
on conflict (meter_id, "time", counter) do update set
    import_wh = excluded.import_wh, export_wh = excluded.export_wh, power_w = excluded.power_w,
    signature = excluded.signature, signer = excluded.signer, state = excluded.state, reason = null
    where readings.state = 'REFUSED' and excluded.state = 'VALIDATED'
returning meter_id, extract(epoch from "time")::bigint as "time", counter
