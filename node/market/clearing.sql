-- auctions -- The auctions of zones in one slot
select auction_id, zone, area, extract(epoch from delivery_start)::bigint as delivery_start, slot_s,
    clearing_price_per_kwh, price_low_per_kwh, price_high_per_kwh, buy_price_per_kwh, grid_fee_per_kwh, order_count,
    matched_wh, sold_wh, book_hash, result_hash, gate_closed_at, cleared_at
from trading.auctions where zone = any ($1::bigint[]) and delivery_start = to_timestamp($2::bigint) order by zone;

-- insert_auction -- What was decided in a zone, and the book it was decided on
insert into trading.auctions (
    zone, area, delivery_start, slot_s, gate_closed_at, clearing_price_per_kwh, price_low_per_kwh, price_high_per_kwh,
    buy_price_per_kwh, grid_fee_per_kwh, order_count, matched_wh, sold_wh, book, book_hash, result_hash, cleared_at
) values (
    $1, $2, to_timestamp($3::bigint), $4, to_timestamp($5::bigint), $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
    to_timestamp($17::float8)
);

-- insert_area_auction -- What zones that were cleared together have in common
insert into trading.area_auctions (area, delivery_start, zones, head, book_hash, result_hash, rejected, cleared_at)
values ($1, to_timestamp($2::bigint), $3, $4, $5, $6, $7, to_timestamp($8::float8));

-- due -- Gates that have closed without an auction, oldest first ($1 zones, $2 last gated slot, $3 slot length, $4 how far back)
with first as (
    select zones.zone, greatest(
        $2::bigint - $4::bigint * $3::bigint,
        least($2::bigint, (
            select extract(epoch from min(start))::bigint from (
                (select min(delivery_start) from trading.auctions a where a.zone = zones.zone)
                union all
                (select min(delivery_start) from trading.orders o where o.zone = zones.zone)
            ) starts (start)
        ))
    ) as delivery_start
    from unnest($1::bigint[]) as zones (zone)
), due as (
    select first.zone, slot as delivery_start
    from first, generate_series(first.delivery_start, $2::bigint, $3::bigint) as slot
    union
    select o.zone, extract(epoch from o.delivery_start)::bigint
    from trading.orders o
    where o.status = 'open' and o.zone = any ($1::bigint[]) and o.delivery_start <= to_timestamp($2::bigint)
)
select due.zone, due.delivery_start from due
where not exists (
    select from trading.auctions a
    where a.zone = due.zone and a.delivery_start = to_timestamp(due.delivery_start)
)
order by due.delivery_start, due.zone;

-- area_zones -- The zones that were cleared together in a slot, by the area's name
select zone from trading.auctions where area = $1 and delivery_start = to_timestamp($2::bigint);

-- release_orders -- The slot is over: its orders cost nothing more
update trading.orders set locked_cash = 0
where zone = any ($1::bigint[]) and delivery_start = to_timestamp($2::bigint) and locked_cash > 0;

-- release_trades -- The slot is over: its trades are done, but for those that failed
update trading.trades set settlement_status = 'settled'
where zone = any ($1::bigint[]) and delivery_start = to_timestamp($2::bigint)
  and settlement_status in ('pending', 'submitted');
