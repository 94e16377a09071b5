-- snapshot -- What the open books of an area show ($1 area, $2 its zones, $3 slot), with how far they have come
select b.revision, b.sequence, b.trades, l.zone, l.side, l.limit_price_per_kwh, l.energy_wh, l.orders
from (
    select revision, sequence, trades from trading.books
    where area = $1 and delivery_start = to_timestamp($3::bigint)
) b
left join trading.levels($2::bigint[], to_timestamp($3::bigint)) l on true
order by l.zone, l.side, l.limit_price_per_kwh;
