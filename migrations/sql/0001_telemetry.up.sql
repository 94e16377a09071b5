create schema if not exists telemetry;

create table if not exists telemetry.meters (
    meter_id   bigint primary key check (meter_id between 1 and 4294967295),
    owner      blockchain.evm_address not null,
    kind       text   not null check (kind in ('home', 'plant', 'feeder')),
    plant_id   text,
    zone       bigint not null,
    driver     text   not null check (driver in ('modbus', 'mqtt', 'http')),
    device     text   not null,
    address    text   not null,
    key        blockchain.evm_address not null,
    fuse_w     bigint not null check (fuse_w > 0),
    active     boolean not null default true,
    created_at timestamptz not null default clock_timestamp()
);
create index if not exists meters_owner on telemetry.meters (owner);
comment on column telemetry.meters.device is 'Name of the device file (register or payload map)';
comment on column telemetry.meters.address is 'Where it is read: modbus-tcp://host:port/unit, or an MQTT topic';
comment on column telemetry.meters.key is 'Signs the readings: the device''s own key, or its gateway''s';

create table if not exists telemetry.readings (
    meter_id    bigint      not null,
    "time"      timestamptz not null,
    counter     bigint      not null,
    import_wh   bigint      not null check (import_wh >= 0),
    export_wh   bigint      not null check (export_wh >= 0),
    power_w     bigint      not null default 0,
    signature   bytea       not null check (octet_length(signature) = 65),
    signer      bytea       not null check (octet_length(signer) = 20),
    state       text        not null default 'VALIDATED' check (state in ('RECEIVED', 'VALIDATED', 'REFUSED')),
    reason      text,
    received_at timestamptz not null default clock_timestamp(),
    primary key (meter_id, "time", counter)
) partition by range ("time");
create table if not exists telemetry.readings_default partition of telemetry.readings default;
comment on table telemetry.readings is 'Signed cumulative registers as received; the one store of meter data';

create table if not exists telemetry.latest (
    meter_id  bigint primary key,
    "time"    timestamptz not null,
    counter   bigint not null,
    import_wh bigint not null,
    export_wh bigint not null,
    power_w   bigint not null
);

create table if not exists telemetry.slot_energy (
    meter_id       bigint      not null,
    delivery_start timestamptz not null,
    slot_s         integer     not null check (slot_s > 0),
    version        integer     not null default 0,
    import_register_wh bigint  not null,
    export_register_wh bigint  not null,
    import_wh      bigint      not null check (import_wh >= 0),
    export_wh      bigint      not null check (export_wh >= 0),
    state          text        not null check (state in ('VALIDATED', 'ESTIMATED', 'MISSING', 'FINAL')),
    computed_at    timestamptz not null default clock_timestamp(),
    primary key (meter_id, delivery_start, version)
);
create index if not exists slot_energy_slot on telemetry.slot_energy (delivery_start);
comment on column telemetry.slot_energy.import_register_wh is 'Register at the end of the slot, floored to whole Wh';

-- Monthly partitions are made ahead of need; the default partition only catches clock errors.
create or replace function telemetry.ensure_readings_partition(month timestamptz) returns void
language plpgsql as $$
declare
    first date := date_trunc('month', month at time zone 'UTC')::date;
    name  text := 'readings_' || to_char(first, 'YYYY_MM');
begin
    if to_regclass('telemetry.' || name) is null then
        perform pg_advisory_xact_lock(hashtext('telemetry.' || name));
        if to_regclass('telemetry.' || name) is null then
            execute format('create table telemetry.%I partition of telemetry.readings for values from (%L) to (%L)',
                name, first::timestamp at time zone 'UTC', (first + interval '1 month')::timestamp at time zone 'UTC');
        end if;
    end if;
end $$;
