-- book -- How far the open book of an area ($1) and slot ($2) has come, and on what terms
select revision, sequence, terms from trading.books where area = $1 and delivery_start = to_timestamp($2::bigint);

-- used -- What was traded between zones ($1) in the open book of a slot ($2)
select zone, sell_zone, sum(energy_wh)::bigint as energy_wh from trading.trades
where zone = any ($1::bigint[]) and delivery_start = to_timestamp($2::bigint) and kind = 'continuous' and zone <> sell_zone
group by zone, sell_zone;

-- open_orders -- What is left of the orders of zones ($1) and a slot ($2) that the book has seen ($3: its last event)
select sequence, zone, side, left_wh, limit_price_per_kwh, least_wh, shown_wh
from trading.waiting($1::bigint[], to_timestamp($2::bigint), $3) order by sequence;
