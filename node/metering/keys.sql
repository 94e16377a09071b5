-- keys -- the one that signs first, then the last that did
select key, until from (
    select m.key, null::timestamptz as until, null::timestamptz as revoked_at from telemetry.meters m
    where m.meter_id = $1
      and not exists (select from telemetry.meter_keys k where k.meter_id = m.meter_id and k.key = m.key)
    union all
    select key, until, revoked_at from telemetry.meter_keys where meter_id = $1
) known order by revoked_at desc nulls first

-- lock -- the meter, for a change of its key
select key from telemetry.meters where meter_id = $1 for update

-- is_revoked -- whether a key signs for the meter never again
select exists (select from telemetry.meter_keys where meter_id = $1 and key = $2)

-- revoke -- from now on
insert into telemetry.meter_keys (meter_id, key, until, revoked_by) values ($1, $2, $3, $4)
on conflict (meter_id, key) do nothing

-- rotate -- another key signs
update telemetry.meters set key = $2 where meter_id = $1

-- restart_counter -- whatever the new key counts from, it is more
update telemetry.latest set counter = -1 where meter_id = $1

-- former -- of meters
select meter_id, key, until from telemetry.meter_keys where meter_id = any ($1::bigint[])

-- changed_lately -- of meters
select distinct meter_id from telemetry.meter_keys
where meter_id = any ($1::bigint[]) and revoked_at > clock_timestamp() - interval '1 hour'
