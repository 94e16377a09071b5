-- auctions -- the auctions that were cleared together under an area's name ($1), each with its zone's published book
select zone, area, extract(epoch from delivery_start)::bigint as delivery_start, slot_s, clearing_price_per_kwh,
    price_low_per_kwh, price_high_per_kwh, buy_price_per_kwh, grid_fee_per_kwh, order_count, matched_wh, sold_wh, book,
    book_hash, result_hash, extract(epoch from gate_closed_at)::bigint as gate_closed_at
from trading.auctions where area = $1 and delivery_start = to_timestamp($2) order by zone

-- area_auction -- what several zones that were cleared together have in common
select zones, head, book_hash, result_hash, rejected
from trading.area_auctions where area = $1 and delivery_start = to_timestamp($2)

-- slot_log -- what was published of the continuous trading before the auction
select log from trading.slot_logs where area = $1 and delivery_start = to_timestamp($2)
