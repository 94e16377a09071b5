-- slots -- Every delivery slot from $2 on whose gate has closed, and what became of it
select extract(epoch from a.delivery_start)::bigint as delivery_start, a.clearing_price_per_kwh,
       (select count(*) from trading.orders o where o.zone = a.zone and o.delivery_start = a.delivery_start
           and o.status in ('matched', 'unmatched')) as order_count,
       a.matched_wh, (select count(*) from trading.trades t
         where t.zone = a.zone and t.delivery_start = a.delivery_start) as trades,
       s.state, s.state_reason, s.traded_wh, s.delivered_wh, s.imbalance_wh, s.gas_used, c.differences,
       (select coalesce(sum(o.fill_wh), 0)::bigint from blockchain.settled_orders o
         where o.zone = a.zone and o.delivery_start = a.delivery_start and o.side = 0) as settled_wh,
       (select count(distinct o.side) = 2 from trading.orders o where o.zone = a.zone
         and o.delivery_start = a.delivery_start and o.status <> 'cancelled') as two_sided
from trading.auctions a
left join lateral (select * from trading.settlements s
    where s.zone = a.zone and s.delivery_start = a.delivery_start order by s.version desc limit 1) s on true
left join audit.slot_checks c on (c.zone, c.delivery_start, c.version) = (a.zone, a.delivery_start, s.version)
where a.zone = $1 and a.delivery_start >= to_timestamp($2)
order by a.delivery_start

-- deliveries -- Meters with a reading since market time $1, by driver
select m.driver, count(*) as meters
from telemetry.meters m join telemetry.latest l using (meter_id)
where l."time" >= to_timestamp($1) group by m.driver

-- events_indexed -- Contract events mirrored so far
select coalesce(sum(events_indexed), 0)::bigint from blockchain.cursors where chain_id = $1
