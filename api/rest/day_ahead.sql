-- session -- the day-ahead auction that a zone ($1) had of the day that begins at $2
select area, day, ends_at, gate_closed_at, cleared_at, order_count, matched_wh, accepted_blocks, rejected_blocks, book, book_hash,
    result_hash
from trading.day_ahead_auctions where $1::bigint = any (zones) and day = $2;

-- prices -- what it came to in the zone's slots
select delivery_start, sell_price_per_kwh, buy_price_per_kwh, bought_wh, sold_wh
from trading.day_ahead_prices where zone = $1 and delivery_start >= $2 and delivery_start < $3
order by delivery_start;
