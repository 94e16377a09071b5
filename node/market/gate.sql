-- due_expiries -- Open orders that were good till a time that has come ($1), oldest first
select o.digest, o.zone, extract(epoch from o.delivery_start)::bigint as delivery_start, o.trader
from trading.orders o
where o.status = 'open' and o.good_till > 0 and o.good_till <= $1::bigint
  and not exists (
    select from trading.events e where e.subject = o.digest and e.kind in ('order_cancelled', 'order_expired')
  )
order by o.good_till, o.sequence
limit 1000;

-- due_in_slots -- The same, all of some zones ($2) and slots ($3)
select o.digest from trading.orders o
where o.status = 'open' and o.good_till > 0 and o.good_till <= $1::bigint
  and o.zone = any($2::bigint[]) and o.delivery_start in (select to_timestamp(s) from unnest($3::bigint[]) as s)
  and not exists (
    select from trading.events e where e.subject = o.digest and e.kind in ('order_cancelled', 'order_expired')
  )
order by o.good_till, o.sequence;

-- expire -- Orders of sealed books leave them at once; a continuous book lets its engine do that in turn
update trading.orders set status = 'expired', locked_cash = 0 where digest = any($1::bytea[]);

-- head -- The last event of the sequence
select coalesce(max(sequence), 0) from trading.events;

-- hide -- The book is closed: it shows nothing more
update trading.orders set shown_wh = 0
where zone = any($1::bigint[]) and delivery_start = to_timestamp($2::bigint) and shown_wh > 0;

-- insert_log -- What was matched, for everyone to match again
insert into trading.slot_logs (area, delivery_start, log, log_hash, replay_hash)
values ($1, to_timestamp($2::bigint), $3, $4, $5);

-- was_continuous -- Whether the slot's orders were matched, or one cancelled for the engine to take out, as they came
select exists (select from trading.books where area = any($1::bigint[]) and delivery_start = to_timestamp($2::bigint))
    or exists (
        select from trading.orders o join trading.events e on e.subject = o.digest and e.kind = 'order_cancelled'
        where o.zone = any($1::bigint[]) and o.delivery_start = to_timestamp($2::bigint) and o.status = 'open'
    );
