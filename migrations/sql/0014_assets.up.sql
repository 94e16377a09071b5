create schema if not exists assets;

-- earthdistance is not trusted: on a server of one's own an administrator installs it.
do $$
declare
    needed text;
begin
    foreach needed in array array['cube', 'earthdistance', 'btree_gist'] loop
        continue when exists (select from pg_extension where extname = needed);
        if not exists (select from pg_available_extensions as known where known.name = needed) then
            raise exception 'the server lacks the extension % (PostgreSQL''s contrib modules): install it, then run as an administrator of database %: create extension if not exists cube; create extension if not exists earthdistance;',
                needed, current_database();
        end if;
        begin
            execute format('create extension %I', needed);
        exception when insufficient_privilege then
            raise insufficient_privilege using message = format(
                'role %s may not install %s: run as an administrator of database %s: create extension if not exists cube; create extension if not exists earthdistance;',
                current_user, needed, current_database());
        end;
    end loop;
end $$;

create table if not exists assets.assets (
    id           uuid primary key default gen_random_uuid(),
    token_id     bigint generated always as identity unique not null,
    name         varchar(255) not null,
    location_lat decimal(10, 8) check (location_lat between -90 and 90),
    location_lon decimal(11, 8) check (location_lon between -180 and 180),
    capacity_kw  decimal(10, 2) check (capacity_kw > 0),
    asset_type   varchar(50) not null default 'solar' check (asset_type in ('solar', 'wind', 'hydro', 'storage')),
    status       varchar(20) not null default 'pending'
                 check (status in ('pending', 'tokenising', 'active', 'suspended', 'retired')),
    created_at   timestamptz not null default current_timestamp,
    owner        blockchain.evm_address not null,
    plant_id     text not null unique,
    symbol       varchar(11) not null,
    supply       numeric(20, 0) not null check (supply between 1 and 1152921504606846976),
    commissioned_on date,
    outbox_id    bigint,
    check ((location_lat is null) = (location_lon is null))
);
comment on column assets.assets.plant_id is 'Names the plant in telemetry.meters; its Keccak-256 does on chain';
comment on column assets.assets.supply is 'Fractions, for ever';
create index if not exists idx_assets_location on assets.assets using gist (ll_to_earth(location_lat, location_lon));
create index if not exists idx_assets_status on assets.assets (status);
create index if not exists assets_owner on assets.assets (owner);

create table if not exists assets.asset_documents (
    id            uuid primary key default gen_random_uuid(),
    asset_id      uuid not null references assets.assets (id),
    document_type varchar(50) not null check (document_type in ('technical', 'legal', 'media')),
    ipfs_hash     varchar(64) not null,
    uploaded_at   timestamptz not null default current_timestamp,
    file_name     text not null check (file_name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'),
    media_type    text not null,
    size_bytes    bigint not null check (size_bytes > 0),
    total_bytes   bigint not null check (total_bytes >= size_bytes),
    profile       text not null,
    uploaded_by   blockchain.evm_address not null,
    replaced_at   timestamptz,
    checked_at    timestamptz,
    fault         text
);
comment on column assets.asset_documents.ipfs_hash is 'Content identifier; what bytes it names follows from profile';
comment on column assets.asset_documents.fault is 'What the last check found: a missing or altered block';
create unique index if not exists asset_documents_path
    on assets.asset_documents (asset_id, document_type, file_name) where replaced_at is null;

create table if not exists assets.revenue_distributions (
    id                uuid primary key default gen_random_uuid(),
    asset_id          uuid not null references assets.assets (id),
    period_start      date not null,
    period_end        date not null,
    total_amount      decimal(20, 8) generated always as (amount / 1000000.0) stored,
    distribution_date timestamptz,
    status            varchar(20) not null default 'pending'
                      check (status in ('pending', 'approved', 'submitted', 'distributed', 'rejected')),
    amount            numeric(20, 0) not null check (amount >= 0),
    energy_wh         bigint not null check (energy_wh >= 0),
    sold_wh           bigint not null check (sold_wh >= 0),
    slots             integer not null,
    open_slots        integer not null,
    computed_at       timestamptz not null default clock_timestamp(),
    approved_by       blockchain.evm_address,
    outbox_id         bigint,
    check (period_start < period_end),
    exclude using gist (asset_id with =, daterange(period_start, period_end) with &&) where (status <> 'rejected')
);
comment on column assets.revenue_distributions.amount is 'Units of the payment token, from settled slots, rounded down';
comment on column assets.revenue_distributions.period_end is 'The first day after the period';
comment on column assets.revenue_distributions.open_slots is 'Slots of the period that were not settled when this was computed';

create table if not exists telemetry.energy_production (
    "time"      timestamptz not null,
    asset_id    uuid not null,
    power_kw    decimal(10, 2),
    voltage     decimal(6, 2),
    temperature decimal(5, 2)
) partition by range ("time");
create table if not exists telemetry.energy_production_default partition of telemetry.energy_production default;
create unique index if not exists idx_production_asset_time on telemetry.energy_production (asset_id, "time" desc);

create table if not exists telemetry.weather_data (
    "time"      timestamptz not null,
    asset_id    uuid not null,
    temperature decimal(5, 2),
    irradiance  decimal(7, 2),
    wind_speed  decimal(5, 2),
    primary key (asset_id, "time")
) partition by range ("time");
create table if not exists telemetry.weather_data_default partition of telemetry.weather_data default;
create index if not exists idx_weather_asset_time on telemetry.weather_data (asset_id, "time" desc);

create table if not exists assets.purchases (
    outbox_id  bigint primary key,
    asset_id   uuid not null references assets.assets (id),
    buyer      blockchain.evm_address not null,
    fractions  numeric(20, 0) not null check (fractions > 0),
    max_cost   numeric(78, 0) not null,
    nonce      numeric(78, 0) not null,
    deadline   timestamptz not null,
    asked_at   timestamptz not null default clock_timestamp(),
    unique (asset_id, buyer, nonce, deadline)
);
comment on table assets.purchases is 'Signed purchases that were passed on; what came of them is assets.investments';
create index if not exists purchases_buyer on assets.purchases (buyer, asked_at desc);

create table if not exists assets.events (
    event_id   bigint generated always as identity primary key,
    asset_id   uuid not null references assets.assets (id),
    kind       text not null,
    detail     jsonb not null default '{}',
    happened_at timestamptz not null default clock_timestamp()
);
create index if not exists events_asset on assets.events (asset_id, event_id desc);

create table if not exists identity.notifications (
    notification_id bigint generated always as identity primary key,
    user_id    uuid not null references identity.users (id) on delete cascade,
    kind       text not null,
    detail     jsonb not null default '{}',
    created_at timestamptz not null default clock_timestamp(),
    read_at    timestamptz
);
create index if not exists notifications_user on identity.notifications (user_id, notification_id desc);
