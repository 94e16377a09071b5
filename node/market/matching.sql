-- head -- The last event of the sequence
select coalesce(max(sequence), 0) from trading.events;

-- new_events -- What came to the books after one event ($1) up to another ($2), each with its slot
select e.sequence, e.kind, e.subject, e.payload, e.previous_hash, e.hash, o.zone,
    extract(epoch from o.delivery_start)::bigint as delivery_start
from trading.events e join trading.orders o on o.digest = e.subject
where e.sequence > $1 and e.sequence <= $2 and e.kind in ('order_accepted', 'order_cancelled', 'order_expired')
order by e.sequence;

-- open_slots -- Slots of these zones ($1) that have orders and no auction yet, from one ($2) on
select distinct o.zone, extract(epoch from o.delivery_start)::bigint as delivery_start
from trading.orders o
where o.status = 'open' and o.zone = any($1::bigint[]) and o.delivery_start > to_timestamp($2::bigint) and not exists (
    select from trading.auctions a where a.zone = o.zone and a.delivery_start = o.delivery_start
);

-- slot_events -- All events of a slot's orders ($1 zones, $2 slot, $3 up to this one), in sequence
select e.sequence, e.kind, e.subject, e.payload, e.previous_hash, e.hash
from trading.orders o join trading.events e on e.sequence = o.sequence
where o.zone = any($1::bigint[]) and o.delivery_start = to_timestamp($2::bigint) and e.sequence <= $3
  -- What a day-ahead auction took, or would have taken, is done with.
  and not exists (
      select from trading.day_ahead_auctions d
      where o.zone = any(d.zones) and d.day <= to_timestamp($2::bigint) and d.ends_at > to_timestamp($2::bigint)
        and o.received_at < d.gate_closed_at and o.sequence < d.sequence
  )
union all
select e.sequence, e.kind, e.subject, e.payload, e.previous_hash, e.hash
from trading.orders o
join trading.events e on e.subject = o.digest and e.kind in ('order_cancelled', 'order_expired')
where o.zone = any($1::bigint[]) and o.delivery_start = to_timestamp($2::bigint) and e.sequence <= $3
  and not exists (
      select from trading.day_ahead_auctions d
      where o.zone = any(d.zones) and d.day <= to_timestamp($2::bigint) and d.ends_at > to_timestamp($2::bigint)
        and o.received_at < d.gate_closed_at and o.sequence < d.sequence
  )
order by 1;

-- open_book -- The row of a book that is matched for the first time
insert into trading.books (area, delivery_start, revision, sequence, trades, terms, fills_hash)
values ($1, to_timestamp($2::bigint), 0, 0, 0, $3, $4) on conflict do nothing;

-- lock_book -- How far a book has come; nobody else matches it while this transaction lasts
select b.revision, b.sequence, b.trades, b.terms, b.fills_hash from trading.books b
where b.area = $1 and b.delivery_start = to_timestamp($2::bigint) for update;

-- is_closed -- Whether the gate has closed on the book
select exists (select from trading.slot_logs where area = $1 and delivery_start = to_timestamp($2::bigint));

-- advance_book -- How far the book has come now
update trading.books set revision = revision + $3, sequence = $4, trades = $5, fills_hash = $6
where area = $1 and delivery_start = to_timestamp($2::bigint) returning revision;

-- insert_fills -- Trades of the continuous book, numbered after those of the day-ahead auction
insert into trading.trades (
    trade_number, zone, sell_zone, delivery_start, buy_order, sell_order, buyer, seller, energy_wh, price_per_kwh,
    fee_per_kwh, kind, sequence, executed_at
)
select t.number + coalesce(d.trades, 0), t.zone, t.sell_zone, to_timestamp($1::bigint), t.buy_order, t.sell_order, t.buyer, t.seller,
    t.energy_wh, t.price, t.fee, 'continuous', t.sequence, to_timestamp(t.executed_ms / 1000.0)
from unnest(
    $2::integer[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bytea[], $9::bigint[],
    $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[]
) as t (
    number, zone, sell_zone, buy_order, sell_order, buyer, seller, energy_wh, price, fee, sequence, executed_ms
)
left join trading.day_ahead_terms d on d.delivery_start = to_timestamp($1::bigint) and t.zone = any(d.zones)
order by t.number;

-- update_orders -- Where the orders stand, and the cash that they may still cost
update trading.orders o
set status = t.status, matched_wh = t.matched_wh, taken_wh = t.taken_wh, shown_wh = t.shown_wh,
    locked_cash = t.locked_cash, close_reason = t.close_reason
from unnest(
    $1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::numeric[], $7::text[]
) as t (sequence, status, matched_wh, taken_wh, shown_wh, locked_cash, close_reason)
where o.sequence = t.sequence;
