-- auction -- the day-ahead auction that zones ($1) had of the day of a slot ($2)
select area, extract(epoch from day)::bigint as day, extract(epoch from ends_at)::bigint as ends_at, zones,
    extract(epoch from gate_closed_at)::bigint as gate_closed_at, order_count, matched_wh, accepted_blocks,
    rejected_blocks, book, book_hash, result_hash, sequence
from trading.day_ahead_auctions
where day <= to_timestamp($2::bigint) and ends_at > to_timestamp($2::bigint) and zones && $1::bigint[]
order by area limit 1

-- prices -- what it came to in a slot
select zone, sell_price_per_kwh, buy_price_per_kwh, bought_wh, sold_wh
from trading.day_ahead_prices where zone = any ($1::bigint[]) and delivery_start = to_timestamp($2::bigint)

-- events -- what the sequence says of it, with the hash before
select e.sequence, e.kind, e.subject, e.payload, e.previous_hash, e.hash,
    coalesce(p.hash, decode(repeat('00', 32), 'hex')) as hash_before
from trading.events e left join trading.events p on p.sequence = e.sequence - 1
where e.kind = 'day_ahead_cleared' and e.subject = $1
order by e.sequence
