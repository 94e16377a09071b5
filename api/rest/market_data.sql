-- candles_by_delivery -- Trades by when they deliver ($1 zone, $2 slot, hour or day, from $3, before $4, time zone $5)
select start, (array_agg(price_per_kwh order by delivery_start, trade_id))[1] as open_per_kwh,
    max(price_per_kwh) as high_per_kwh, min(price_per_kwh) as low_per_kwh,
    (array_agg(price_per_kwh order by delivery_start desc, trade_id desc))[1] as close_per_kwh,
    round(sum(price_per_kwh::numeric * energy_wh) / sum(energy_wh)) as vwap_per_kwh,
    sum(energy_wh) as energy_wh, count(*) as trades
from (
    select case $2::text when 'slot' then delivery_start else date_trunc($2::text, delivery_start, $5::text) end as start, t.*
    from trading.trades t where zone = $1 and delivery_start >= $3 and delivery_start < $4
) traded
group by start order by start;

-- candles_by_execution -- Trades of one slot by when they were made ($1 zone, $2 slot, $3 interval in s, from $4, before $5)
select start, (array_agg(price_per_kwh order by executed_at, trade_id))[1] as open_per_kwh,
    max(price_per_kwh) as high_per_kwh, min(price_per_kwh) as low_per_kwh,
    (array_agg(price_per_kwh order by executed_at desc, trade_id desc))[1] as close_per_kwh,
    round(sum(price_per_kwh::numeric * energy_wh) / sum(energy_wh)) as vwap_per_kwh,
    sum(energy_wh) as energy_wh, count(*) as trades
from (
    select date_bin(make_interval(secs => $3::integer), executed_at, 'epoch'::timestamptz) as start, t.*
    from trading.trades t
    where zone = $1 and delivery_start = $2 and executed_at >= $4 and executed_at < $5
) traded
group by start order by start;

-- statistics -- A zone's market by day of delivery ($1 zone, $2 its area's name, from $3, before $4; $5 gates closed up to here, $6 time zone)
with traded as (
    select date_trunc('day', delivery_start, $6::text) as day, count(*) as trades, sum(energy_wh) as energy_wh,
        sum(delivered_wh) as delivered_wh, min(price_per_kwh) as low_per_kwh, max(price_per_kwh) as high_per_kwh,
        round(sum(price_per_kwh::numeric * energy_wh) / sum(energy_wh)) as vwap_per_kwh,
        count(distinct buyer) as buyers, count(distinct seller) as sellers
    from trading.trades where zone = $1 and delivery_start >= $3 and delivery_start < $4 group by day
), ordered as (
    select date_trunc('day', delivery_start, $6::text) as day, count(*) as orders, count(distinct trader) as participants
    -- Of books that are still sealed not even the number of traders is told.
    from trading.orders where zone = $1 and delivery_start >= $3 and delivery_start < $4 and delivery_start <= $5
    group by day
), metered as (
    select date_trunc('day', s.delivery_start, $6::text) as day, sum(a.withdrawal_wh) as withdrawal_wh,
        sum(a.injection_wh) as injection_wh
    from (
        select distinct on (delivery_start) settlement_id, delivery_start from trading.settlements
        where zone = $2 and delivery_start >= $3 and delivery_start < $4
        order by delivery_start, version desc
    ) s join trading.settlement_accounts a using (settlement_id)
    group by day
)
select day, coalesce(orders, 0) as orders, coalesce(participants, 0) as participants,
    coalesce(buyers, 0) as buyers, coalesce(sellers, 0) as sellers, coalesce(trades, 0) as trades,
    coalesce(energy_wh, 0) as energy_wh, low_per_kwh, high_per_kwh, vwap_per_kwh, delivered_wh, withdrawal_wh,
    injection_wh, (delivered_wh * 1000000 / nullif(withdrawal_wh, 0))::bigint as self_sufficiency_ppm
from ordered full join traded using (day) full join metered using (day)
order by day;
