-- note -- opened, or seen again; an event is over at once
insert into telemetry.meter_faults as known (meter_id, kind, since, until, last_seen, evidence)
select meter_id, kind, to_timestamp(at_s), case when is_event then to_timestamp(at_s) end, to_timestamp(at_s), evidence
from unnest($1::bigint[], $2::text[], $3::bigint[], $4::jsonb[], $5::boolean[])
    as given (meter_id, kind, at_s, evidence, is_event)
on conflict (meter_id, kind) where until is null do update set
    last_seen = greatest(known.last_seen, excluded.last_seen), times = known.times + 1, evidence = excluded.evidence

-- end -- what is open of the kinds
update telemetry.meter_faults
set until = greatest(since, to_timestamp($2::bigint))
where until is null and meter_id = any($1::bigint[]) and kind = any($3::text[])

-- open_kinds -- by meter
select meter_id, kind
from telemetry.meter_faults
where until is null and meter_id = any($1::bigint[])
order by meter_id, kind

-- of_meter -- open ones first, then the newest
select meter_id, kind, extract(epoch from since)::bigint as since, extract(epoch from until)::bigint as until,
    extract(epoch from last_seen)::bigint as last_seen, times, evidence
from telemetry.meter_faults
where meter_id = $1
order by until is not null, since desc, fault_id desc
limit $2

-- silent -- active meters whose last valid reading is too old, and since when; only since they are listened to
select m.meter_id, extract(epoch from l."time")::bigint as last_s,
    greatest(extract(epoch from l."time")::bigint, $3::bigint) as since
from telemetry.meters as m
left join telemetry.latest as l using (meter_id)
where m.active
    and greatest(coalesce(extract(epoch from l."time")::bigint, 0), $3::bigint) + $2::bigint <= $1::bigint
    and not exists (
        select from telemetry.meter_faults as f
        where f.meter_id = m.meter_id and f.kind = 'silent' and f.until is null
    )
