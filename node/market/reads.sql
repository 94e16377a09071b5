-- orders -- A page of orders, newest first ($1 trader, $2 status, $3 zone, $4 slot, $5 before this sequence, $6 how many)
select sequence, digest, trader, side, zone, extract(epoch from delivery_start)::bigint as delivery_start, energy_wh,
    limit_price_per_kwh, min_fill_wh, time_in_force, source, expiry, lane, nonce, signature, status, matched_wh,
    locked_cash::text, received_at
from trading.orders
where ($1::bytea is null or trader = $1) and ($2::text is null or status = $2) and ($3::bigint is null or zone = $3)
  and ($4::bigint is null or delivery_start = to_timestamp($4::bigint)) and ($5::bigint is null or sequence < $5)
order by sequence desc limit $6;

-- order -- One order
select sequence, digest, trader, side, zone, extract(epoch from delivery_start)::bigint as delivery_start, energy_wh,
    limit_price_per_kwh, min_fill_wh, time_in_force, source, expiry, lane, nonce, signature, status, matched_wh,
    locked_cash::text, received_at
from trading.orders where digest = $1;

-- trades -- A page of trades, newest first ($1 zone, $2 slot, $3 trader, $4 before this trade, $5 how many)
select trade_id, auction_id, trade_number, kind, zone, sell_zone, extract(epoch from delivery_start)::bigint as delivery_start,
    buy_order, sell_order, buyer, seller, energy_wh, price_per_kwh, fee_per_kwh, rent_per_kwh, delivered_wh,
    grid_fee_nano, carbon_offset_g, settlement_status, executed_at
from trading.trades
where ($1::bigint is null or zone = $1) and ($2::bigint is null or delivery_start = to_timestamp($2::bigint))
  and ($3::bytea is null or buyer = $3 or seller = $3) and ($4::bigint is null or trade_id < $4)
order by trade_id desc limit $5;

-- auctions -- A page of auctions, latest slot first ($1 zone, $2 before this slot, $3 how many)
select auction_id, zone, area, extract(epoch from delivery_start)::bigint as delivery_start, slot_s,
    clearing_price_per_kwh, price_low_per_kwh, price_high_per_kwh, buy_price_per_kwh, grid_fee_per_kwh, order_count,
    matched_wh, sold_wh, book_hash, result_hash, gate_closed_at, cleared_at
from trading.auctions
where zone = $1 and ($2::bigint is null or delivery_start < to_timestamp($2::bigint))
order by delivery_start desc limit $3;

-- book -- The published book of a slot, and how many orders wait while it is sealed
select (select book from trading.auctions where zone = $1 and delivery_start = to_timestamp($2::bigint)) as book,
    (
        select count(*) from trading.orders
        where zone = $1 and delivery_start = to_timestamp($2::bigint) and status = 'open'
    ) as waiting;

-- slots -- Slots between two starts with their auction, if they had one ($1 zone, $2 first, $3 last, $4 slot length)
select slot as delivery_start, a.auction_id, a.clearing_price_per_kwh, a.matched_wh,
    coalesce(a.order_count, (
        select count(*) from trading.orders o
        where o.zone = $1 and o.delivery_start = to_timestamp(slot) and o.status = 'open'
    ))::bigint as order_count
from generate_series($2::bigint, $3::bigint, $4::bigint) as slot
left join trading.auctions a on a.zone = $1 and a.delivery_start = to_timestamp(slot)
order by slot desc;

-- locked -- Cash that a trader's ($2) orders and slots hold
select coalesce(sum(h.cash), 0)::text from trading.held_cash($1, $2) h;
