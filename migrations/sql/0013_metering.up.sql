create schema if not exists grid;

alter table telemetry.meters drop constraint meters_driver_check;
alter table telemetry.meters add constraint meters_driver_check check (driver in ('modbus', 'mqtt', 'http', 'poll'));
alter table telemetry.meters drop constraint meters_kind_check;
alter table telemetry.meters add constraint meters_kind_check check (kind in ('home', 'plant', 'feeder', 'appliance'));
alter table telemetry.meters add column if not exists appliance text;
alter table telemetry.meters add column if not exists consumption_type text;
alter table telemetry.meters add column if not exists part_of bigint references telemetry.meters;
comment on column telemetry.meters.driver is 'modbus, mqtt, poll (HTTP, asked by the node), http (pushes signed readings)';
comment on column telemetry.meters.part_of is 'Meter whose energy an appliance''s is a part of; appliances do not settle';

create table telemetry.meter_faults (
    fault_id  bigint generated always as identity primary key,
    meter_id  bigint      not null,
    kind      text        not null,
    since     timestamptz not null,
    until     timestamptz check (until >= since),
    last_seen timestamptz not null,
    times     bigint      not null default 1 check (times > 0),
    evidence  jsonb       not null default '{}'
);
create unique index meter_faults_open on telemetry.meter_faults (meter_id, kind) where until is null;
create index meter_faults_meter on telemetry.meter_faults (meter_id, since desc);
comment on table telemetry.meter_faults is 'What is or was wrong with a meter; open while until is null';
comment on column telemetry.meter_faults.evidence is 'What showed it, at its last sighting';

create table telemetry.meter_baselines (
    meter_id       bigint      not null,
    since          timestamptz not null,
    import_base_wh bigint      not null,
    export_base_wh bigint      not null,
    serial         text,
    reason         text        not null,
    confirmed_by   blockchain.evm_address,
    recorded_at    timestamptz not null default clock_timestamp(),
    primary key (meter_id, since)
);
comment on table telemetry.meter_baselines is 'What is added to a device''s registers: after rollovers, restarts, replacements';

create table telemetry.buffers (
    buffer_id  uuid primary key,
    position   bigint      not null default 0 check (position >= 0),
    updated_at timestamptz not null default clock_timestamp()
);
comment on table telemetry.buffers is 'How far each process''s buffer on disk has been taken over';

alter table telemetry.slot_energy add column if not exists final_at timestamptz;
comment on column telemetry.slot_energy.final_at is 'When this version became the one that counts for ever';

create table telemetry.energy_hourly (
    meter_id  bigint      not null,
    hour      timestamptz not null,
    import_wh bigint      not null,
    export_wh bigint      not null,
    slots     integer     not null,
    proved    integer     not null,
    primary key (meter_id, hour)
);
create index energy_hourly_hour on telemetry.energy_hourly (hour);
comment on table telemetry.energy_hourly is 'Sums of the newest version of each slot; proved counts the slots that readings prove';

-- One row per meter is written again and again: room in its page keeps the index untouched.
alter table telemetry.latest set (fillfactor = 50);

-- Views, so that they cannot differ from what was settled.
create view grid.slot_newest as
select distinct on (meter_id, delivery_start) *
from telemetry.slot_energy
order by meter_id, delivery_start, version desc;
comment on view grid.slot_newest is 'The newest version of every slot of every meter';

create view grid.energy_production as
select e.meter_id, m.owner as producer_id, (e.export_wh / 1000.0)::numeric(15, 6) as energy_amount,
    coalesce(m.plant_id, m.kind) as energy_source, e.state = 'VALIDATED' as verified,
    e.delivery_start as "timestamp", e.slot_s, e.version, e.final_at is not null as final
from grid.slot_newest as e
join telemetry.meters as m using (meter_id)
where m.kind in ('home', 'plant') and e.state in ('VALIDATED', 'ESTIMATED', 'FINAL')
    and (m.kind = 'plant' or e.export_wh > 0);
comment on column grid.energy_production.energy_amount is 'kWh fed in during the slot that begins at timestamp';
comment on column grid.energy_production.verified is 'Proved by signed readings';

create view grid.energy_consumption as
select e.meter_id, m.owner as consumer_id, (e.import_wh / 1000.0)::numeric(15, 6) as energy_amount,
    coalesce(m.consumption_type, case m.kind when 'plant' then 'own use' else 'household' end) as consumption_type,
    m.appliance, m.part_of, e.state = 'VALIDATED' as verified,
    e.delivery_start as "timestamp", e.slot_s, e.version, e.final_at is not null as final,
    (
        select coalesce(jsonb_object_agg(part.appliance, part.energy_wh), '{}')
        from (
            select coalesce(a.appliance, 'meter ' || a.meter_id) as appliance, sum(pe.import_wh) as energy_wh
            from telemetry.meters as a
            join lateral (
                select import_wh from telemetry.slot_energy as s
                where s.meter_id = a.meter_id and s.delivery_start = e.delivery_start and s.state <> 'MISSING'
                order by s.version desc
                limit 1
            ) as pe on true
            where a.part_of = m.meter_id
            group by 1
        ) as part
    ) as appliance_breakdown
from grid.slot_newest as e
join telemetry.meters as m using (meter_id)
where m.kind <> 'feeder' and e.state in ('VALIDATED', 'ESTIMATED', 'FINAL');
comment on column grid.energy_consumption.energy_amount is 'kWh taken during the slot that begins at timestamp';
comment on column grid.energy_consumption.appliance_breakdown is 'Wh of the meters that are part of this one, by appliance';
