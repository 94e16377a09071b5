-- A month of a time series is a partition of its own, made ahead of need. What finds none lands in the default partition,
-- which holds nothing up: when its month is made, its rows move there. Where TimescaleDB is installed the tables are
-- hypertables instead, and there is nothing to make.
create or replace function telemetry.ensure_month(series text, month timestamptz) returns boolean
language plpgsql security definer set search_path = pg_catalog as $$
declare
    first timestamptz := date_trunc('month', month, 'UTC');
    after timestamptz;
    name  text := series || '_' || to_char(month at time zone 'UTC', 'YYYY_MM');
begin
    if series not in ('energy_production', 'weather_data') then
        raise invalid_parameter_value using message = format('%s is no time series', series);
    end if;
    after := ((first at time zone 'UTC') + interval '1 month') at time zone 'UTC';
    if to_regclass('telemetry.' || series || '_default') is null or to_regclass('telemetry.' || name) is not null then
        return false;
    end if;
    perform pg_advisory_xact_lock(hashtext('telemetry.' || series));
    -- Asked of the table: to_regclass remembers what it did not find before we waited.
    if exists (select from pg_class where relname = name and relnamespace = 'telemetry'::regnamespace) then
        return false;
    end if;
    execute format('create table telemetry.%I (like telemetry.%I including defaults including constraints)', name, series);
    execute format('lock table telemetry.%I in share row exclusive mode', series || '_default');
    execute format('with moved as (delete from telemetry.%I where "time" >= $1 and "time" < $2 returning *)'
        ' insert into telemetry.%I select * from moved', series || '_default', name) using first, after;
    execute format('alter table telemetry.%I attach partition telemetry.%I for values from (%L) to (%L)',
        series, name, first, after);
    return true;
end $$;
comment on function telemetry.ensure_month is 'Makes the partition of a month; whether it had to';

create or replace function telemetry.as_time_series(series text) returns void
language plpgsql as $$
declare
    extension_schema text := (
        select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'timescaledb'
    );
    month timestamptz;
begin
    execute format('alter table telemetry.%I rename to %I', series, series || '_former');
    execute format('alter table telemetry.%I rename to %I', series || '_default', series || '_former_default');
    execute format('create table telemetry.%I (like telemetry.%I including defaults including constraints) %s',
        series, series || '_former', case when extension_schema is null then 'partition by range ("time")' else '' end);
    if extension_schema is null then
        execute format('create table telemetry.%I partition of telemetry.%I default', series || '_default', series);
    else
        execute format('select %I.create_hypertable(%L, ''time'', chunk_time_interval => interval ''1 month'','
            ' create_default_indexes => false)', extension_schema, 'telemetry.' || series);
    end if;
    for month in execute format('select distinct date_trunc(''month'', "time", ''UTC'') from telemetry.%I',
        series || '_former') loop
        perform telemetry.ensure_month(series, month);
    end loop;
    execute format('insert into telemetry.%I select * from telemetry.%I', series, series || '_former');
    execute format('drop table telemetry.%I', series || '_former');
end $$;

select telemetry.as_time_series('energy_production');
create unique index idx_production_asset_time on telemetry.energy_production (asset_id, "time" desc);
select telemetry.as_time_series('weather_data');
create unique index idx_weather_asset_time on telemetry.weather_data (asset_id, "time" desc);
drop function telemetry.as_time_series;
comment on table telemetry.energy_production is 'Power of plants as their meters were read';
comment on column telemetry.weather_data.irradiance is 'W/m² in the plane in which the source measures';

-- What the view assets.investments rests on.
create index if not exists idx_investments_user on blockchain.asset_purchases (buyer);
create index if not exists idx_investments_asset on blockchain.asset_purchases (token);
create index if not exists asset_tokens_asset_id on blockchain.asset_tokens (asset_id);

create table if not exists audit.asset_checks (
    asset_id     uuid primary key references assets.assets (id),
    differences  integer not null,
    findings     jsonb not null default '[]',
    block_number bigint not null,
    seen         text not null,
    checked_at   timestamptz not null default clock_timestamp()
);
comment on table audit.asset_checks is 'The auditor''s last recomputation of each asset''s revenue, from settled trades to claims';
comment on column audit.asset_checks.seen is 'Hash of what had happened by then: anything else makes it due again';

create index if not exists revenue_distributions_asset on assets.revenue_distributions (asset_id, period_end desc);

alter table assets.purchases add column if not exists outcome text check (outcome in ('bought', 'failed'));
comment on column assets.purchases.outcome is 'What the buyer was told; null until the chain has decided';
create index if not exists purchases_undecided on assets.purchases (asked_at) where outcome is null;

create or replace view assets.yields with (security_invoker = true) as
select t.chain_id, t.token, a.id as asset_id, paid.amount, paid.days, last.price,
    div(paid.amount * 365 * 10000, nullif(paid.days * t.supply * last.price, 0))::bigint as yield_bp
from assets.assets a
join blockchain.asset_tokens t on t.asset_id = a.token_id
cross join lateral (
    select coalesce(sum(d.amount), 0) as amount, coalesce(sum(d.period_end - d.period_start), 0) as days
    from assets.revenue_distributions d
    where d.asset_id = a.id and d.status = 'distributed' and d.period_end > (
        select max(newest.period_end) - 365 from assets.revenue_distributions newest
        where newest.asset_id = a.id and newest.status = 'distributed'
    )
) paid
left join lateral (
    select p.price from blockchain.asset_purchases p where p.chain_id = t.chain_id and p.token = t.token
    order by p.block_number desc, p.log_index desc limit 1
) last on true;
comment on view assets.yields is
    'Paid for the days of the last year''s distributions, for 365 days, over all fractions at the last price; 1/100 of a percent';
