-- slot -- The candle of a slot ($1 zone, $2 slot)
select start, (array_agg(price_per_kwh order by trade_id))[1] as open_per_kwh,
    max(price_per_kwh) as high_per_kwh, min(price_per_kwh) as low_per_kwh,
    (array_agg(price_per_kwh order by trade_id desc))[1] as close_per_kwh,
    round(sum(price_per_kwh::numeric * energy_wh) / sum(energy_wh)) as vwap_per_kwh,
    sum(energy_wh) as energy_wh, count(*) as trades
from (select delivery_start as start, t.* from trading.trades t where zone = $1 and delivery_start = $2) traded
group by start;

-- minute -- The candle of the last minute in which trades of a slot were made ($1 zone, $2 slot)
select start, (array_agg(price_per_kwh order by executed_at, trade_id))[1] as open_per_kwh,
    max(price_per_kwh) as high_per_kwh, min(price_per_kwh) as low_per_kwh,
    (array_agg(price_per_kwh order by executed_at desc, trade_id desc))[1] as close_per_kwh,
    round(sum(price_per_kwh::numeric * energy_wh) / sum(energy_wh)) as vwap_per_kwh,
    sum(energy_wh) as energy_wh, count(*) as trades
from (
    select date_trunc('minute', executed_at, 'UTC') as start, t.*,
        max(date_trunc('minute', executed_at, 'UTC')) over () as newest
    from trading.trades t where zone = $1 and delivery_start = $2
) traded
where start = newest
group by start;
