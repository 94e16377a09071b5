-- day_ahead -- The day-ahead auction that any of these zones ($1) had for a day ($2)
select area, extract(epoch from day)::bigint as day, zones, order_count, matched_wh, accepted_blocks, rejected_blocks,
    book_hash, result_hash, gate_closed_at, cleared_at
from trading.day_ahead_auctions where day = to_timestamp($2::bigint) and zones && $1::bigint[]
order by area limit 1;

-- cleared_days -- Which zones have had their day-ahead auction, of these days
select extract(epoch from day)::bigint as day, zones
from trading.day_ahead_auctions where day in (select to_timestamp(d) from unnest($1::bigint[]) as d);

-- with_orders -- Slots from one time ($2) to another ($3) in which zones ($1) have open orders from before the gate ($4)
select distinct extract(epoch from delivery_start)::bigint as delivery_start
from trading.orders
where zone = any ($1::bigint[]) and delivery_start >= to_timestamp($2::bigint)
  and delivery_start < to_timestamp($3::bigint) and status = 'open' and received_at < to_timestamp($4::bigint)
order by 1;

-- insert_day_ahead -- What was decided, and the book it was decided on
insert into trading.day_ahead_auctions (
    area, day, ends_at, zones, gate_closed_at, order_count, matched_wh, accepted_blocks, rejected_blocks, book,
    book_hash, result_hash, cleared_at, sequence
) values (
    $1, to_timestamp($2::bigint), to_timestamp($3::bigint), $4, to_timestamp($5::bigint), $6, $7, $8, $9, $10, $11, $12,
    to_timestamp($13::float8), $14
);

-- insert_terms -- What it leaves to the slot's own auction
insert into trading.day_ahead_terms (area, delivery_start, zones, trades, terms)
values ($1, to_timestamp($2::bigint), $3, $4, $5);

-- insert_prices -- What it came to in a zone and slot
insert into trading.day_ahead_prices (
    zone, delivery_start, area, sell_price_per_kwh, buy_price_per_kwh, bought_wh, sold_wh
) values ($1, to_timestamp($2::bigint), $3, $4, $5, $6, $7);
