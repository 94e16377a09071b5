-- Readings that came into the middle of their chain. Each settlement version knows those up to a number.
create table if not exists telemetry.late_readings (
    number      bigint primary key check (number > 0),
    meter_id    bigint not null,
    "time"      timestamptz not null,
    counter     bigint not null,
    from_time   timestamptz not null,
    to_time     timestamptz not null check (to_time > from_time),
    is_settled  boolean not null,
    received_at timestamptz not null default clock_timestamp(),
    unique (meter_id, "time", counter)
);
comment on table telemetry.late_readings is 'Readings that were taken in between two others of their meter';
comment on column telemetry.late_readings.number is 'In the order in which they became known';
comment on column telemetry.late_readings.from_time is 'Time of the reading before; what lies between it and to_time rests on this one from now on';
comment on column telemetry.late_readings.is_settled is 'A slot was already settled by what lies between the two others';
create index if not exists late_readings_span on telemetry.late_readings
    using gist (tstzrange(from_time, to_time, '()')) where is_settled;
call identity.protect('telemetry.late_readings',
    'meter_id in (select m.meter_id from telemetry.meters m where m.owner = identity.acting_account())');

create or replace function telemetry.newest_late_reading() returns bigint language sql stable as
$$ select coalesce(max(number), 0) from telemetry.late_readings $$;
alter table trading.settlements add column if not exists late_readings bigint not null default 0;
alter table trading.settlements alter column late_readings set default telemetry.newest_late_reading();
comment on column trading.settlements.late_readings is 'The last late reading (telemetry.late_readings) that this version knows';

-- What was final before stays so.
update telemetry.slot_energy e set final_at = s.final_at
from trading.settlements s, telemetry.meters m
where s.final_at is not null and e.final_at is null and e.delivery_start = s.delivery_start and e.version = s.version
  and m.meter_id = e.meter_id and m.zone = any(s.zones);
