drop view if exists assets.yields;
alter table assets.purchases drop column if exists outcome;
drop index if exists assets.revenue_distributions_asset;
drop table if exists audit.asset_checks;
drop index if exists blockchain.asset_tokens_asset_id;
drop index if exists blockchain.idx_investments_asset;
drop index if exists blockchain.idx_investments_user;

create or replace function telemetry.as_before(series text) returns void
language plpgsql as $$
begin
    execute format('alter table telemetry.%I rename to %I', series, series || '_monthly');
    if to_regclass('telemetry.' || series || '_default') is not null then
        execute format('alter table telemetry.%I rename to %I', series || '_default', series || '_monthly_default');
    end if;
    execute format('create table telemetry.%I (like telemetry.%I including defaults including constraints)'
        ' partition by range ("time")', series, series || '_monthly');
    execute format('create table telemetry.%I partition of telemetry.%I default', series || '_default', series);
    execute format('insert into telemetry.%I select * from telemetry.%I', series, series || '_monthly');
    execute format('drop table telemetry.%I', series || '_monthly');
end $$;

select telemetry.as_before('energy_production');
create unique index idx_production_asset_time on telemetry.energy_production (asset_id, "time" desc);
select telemetry.as_before('weather_data');
alter table telemetry.weather_data add primary key (asset_id, "time");
create index idx_weather_asset_time on telemetry.weather_data (asset_id, "time" desc);
drop function telemetry.as_before;
drop function telemetry.ensure_month;
