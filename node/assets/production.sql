-- take_readings -- power of plants at the times at which their meters were read: since what was taken last, or since $1
with known as (
    select a.id, a.plant_id, coalesce(last."time" - $2::interval, $1::timestamptz) as since
    from assets.assets a
    left join lateral (
        select p."time" from telemetry.energy_production p where p.asset_id = a.id order by p."time" desc limit 1
    ) last on true
), batch as materialized (
    select known.id, known.plant_id, m.meter_id, r."time"
    from known
    join telemetry.meters m on m.plant_id = known.plant_id
    cross join lateral (
        select r."time" from telemetry.readings r
        where r.meter_id = m.meter_id and r.state = 'VALIDATED' and r."time" > known.since
        order by r."time" limit $3
    ) r
), horizon as (
    -- A meter with more than a batch is known up to the batch's end: others must not run ahead of it.
    select id, min(until) as until
    from (select id, max("time") as until from batch group by id, meter_id having count(*) = $3) full_batch
    group by id
), seen as (
    select distinct batch.id, batch.plant_id, batch."time"
    from batch left join horizon using (id)
    where horizon.until is null or batch."time" <= horizon.until
)
insert into telemetry.energy_production as former ("time", asset_id, power_kw)
select seen."time", seen.id, -sum(newest.power_w) / 1000.0
from seen
join telemetry.meters m on m.plant_id = seen.plant_id
cross join lateral (
    select r.power_w from telemetry.readings r
    where r.meter_id = m.meter_id and r.state = 'VALIDATED' and r."time" <= seen."time"
    order by r."time" desc limit 1
) newest
group by seen."time", seen.id
on conflict (asset_id, "time") do update set power_kw = excluded.power_kw
where former.power_kw is distinct from excluded.power_kw
returning asset_id;

-- add_weather -- an observation
insert into telemetry.weather_data (asset_id, "time", temperature, irradiance, wind_speed) values ($1, $2, $3, $4, $5)
on conflict (asset_id, "time") do update set
    temperature = excluded.temperature, irradiance = excluded.irradiance, wind_speed = excluded.wind_speed;

-- produced -- energy of a plant's meters by step, the newest version of each slot; the sun beside it
with slots as (
    select distinct on (e.meter_id, e.delivery_start) e.delivery_start, e.export_wh
    from assets.assets a
    join telemetry.meters m on m.plant_id = a.plant_id
    join telemetry.slot_energy e on e.meter_id = m.meter_id
    where a.id = $1 and e.delivery_start >= $2 and e.delivery_start < $3
    order by e.meter_id, e.delivery_start, e.version desc
), energy as (
    select case when $4 = 'slot' then delivery_start else date_trunc($4, delivery_start, 'UTC') end as start,
        sum(export_wh) as energy_wh
    from slots group by 1
), sun as (
    -- Each observation holds until the next one, for an hour at most.
    select case when $4 = 'slot' then to_timestamp(floor(extract(epoch from "time") / $5::integer) * $5::integer)
            else date_trunc($4, "time", 'UTC') end as start,
        sum(irradiance * least(extract(epoch from coalesce(next_time, "time" + interval '1 hour') - "time"), 3600) / 3600)
            as irradiation,
        -- PVWatts: hours at rated power, with cells $7 K warmer for each W/m² and $6 less power for each K above 25 °C.
        sum(irradiance / 1000 * (1 - $6::numeric * (coalesce(temperature, $8) + $7::numeric * irradiance - 25))
            * least(extract(epoch from coalesce(next_time, "time" + interval '1 hour') - "time"), 3600) / 3600)
            as rated_hours,
        avg(temperature) as temperature
    from (
        select "time", irradiance, temperature, lead("time") over (order by "time") as next_time
        from telemetry.weather_data where asset_id = $1 and "time" >= $2 and "time" < $3
    ) observed group by 1
)
select energy.start, energy.energy_wh, round(sun.irradiation, 2) as irradiation, round(sun.temperature, 2) as temperature,
    sun.rated_hours
from energy left join sun using (start) order by energy.start;

-- observed_to -- the last time of which there is weather
select max("time") from telemetry.weather_data where asset_id = $1;

-- ensure_months -- partitions of the months of these times ($1), as far as they are times that a plant can have
select telemetry.ensure_month(series, month)
from (values ('energy_production'), ('weather_data')) as known (series),
    (select distinct date_trunc('month', "time", 'UTC') as month from unnest($1::timestamptz[]) as "time") months
where month between '1990-01-01Z' and '2199-12-01Z' order by month, series;

-- is_partitioned -- false where TimescaleDB makes the partitions
select to_regclass('telemetry.weather_data_default') is not null;

-- misplaced -- months that have come to the default partitions
select distinct month from (
    select date_trunc('month', "time", 'UTC') as month from telemetry.weather_data_default
    union select date_trunc('month', "time", 'UTC') from telemetry.energy_production_default
) seen where month between '1990-01-01Z' and '2199-12-01Z' limit 24;

-- latest -- the newest power
select "time", power_kw, voltage, temperature from telemetry.energy_production
where asset_id = $1 order by "time" desc limit 1;
