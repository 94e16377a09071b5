-- known -- Orders of a trader by digest
select digest, zone, extract(epoch from delivery_start)::bigint as delivery_start
from trading.orders where trader = $1 and digest = any ($2::bytea[]);

-- open_orders -- A trader's open orders, of one slot and zone where they are given ($1 trader, $2 zone, $3 slot)
select digest from trading.orders
where trader = $1 and status = 'open' and ($2::bigint is null or zone = $2)
  and ($3::bigint is null or delivery_start = to_timestamp($3::bigint))
order by sequence;

-- states -- How far orders are, once nobody can change them; a cancellation may wait for the matching engine
select digest, sequence, status, received_at, locked_cash, extract(epoch from delivery_start)::bigint as delivery_start,
    o.status = 'open' and $2::boolean and (
        select true from trading.events e where e.subject = o.digest and e.kind = 'order_cancelled' limit 1
    ) is not null as is_leaving
from trading.orders o where digest = any ($1::bytea[]);

-- cancel -- The orders leave the book
update trading.orders set status = 'cancelled', locked_cash = 0 where digest = any ($1::bytea[]);
