-- auction -- The auction of one slot
select auction_id, zone, extract(epoch from delivery_start)::bigint as delivery_start, slot_s,
    clearing_price_per_kwh, price_low_per_kwh, price_high_per_kwh, grid_fee_per_kwh, order_count, matched_wh,
    book_hash, result_hash, gate_closed_at, cleared_at
from trading.auctions where zone = $1 and delivery_start = to_timestamp($2::bigint);

-- void_orders -- Takes out open orders that the exchange would refuse: voided nonce, lost clearance, cash (to be) withdrawn
update trading.orders o set status = 'cancelled', locked_cash = 0
where o.zone = $2 and o.delivery_start = to_timestamp($3::bigint) and o.status = 'open' and (
    exists (
        select from blockchain.account_balances b where b.chain_id = $1 and b.account = o.trader
          and (b.nonce > o.nonce or b.cash - b.pending_cash < (
              select sum(held.locked_cash) from trading.held_orders held
              where held.trader = o.trader and held.locked_cash > 0 and not exists (
                  -- What is settled on chain has left the cash already; its lock is freed a moment later.
                  select from blockchain.settled_orders s
                  where s.chain_id = $1 and s.trader = held.trader and s.delivery_start = held.delivery_start
                    and s.zone = held.zone and s.lane = held.lane and s.nonce = held.nonce
              )
          ))
    ) or not exists (
        select from blockchain.participants p where p.chain_id = $1 and p.account = o.trader
          and p.flags & 4 = 0 and p.kyc_until >= to_timestamp($4::bigint)
    )
)
returning o.digest, o.sequence;

-- book_orders -- Every order still open in a slot, in sequence
select sequence, digest, trader, side, energy_wh, limit_price_per_kwh, min_fill_wh, time_in_force, source, expiry,
    lane, nonce, signature
from trading.orders where zone = $1 and delivery_start = to_timestamp($2::bigint) and status = 'open'
order by sequence;

-- insert_auction -- What was decided, and the book it was decided on
insert into trading.auctions (
    zone, delivery_start, slot_s, gate_closed_at, clearing_price_per_kwh, price_low_per_kwh, price_high_per_kwh,
    grid_fee_per_kwh, order_count, matched_wh, book, book_hash, result_hash, cleared_at
) values (
    $1, to_timestamp($2::bigint), $3, to_timestamp($4::bigint), $5, $6, $7, $8, $9, $10, $11, $12, $13,
    to_timestamp($14::float8)
) returning auction_id;

-- insert_trades -- Who delivers how much to whom
insert into trading.trades (
    auction_id, trade_number, zone, delivery_start, buy_order, sell_order, buyer, seller, energy_wh, price_per_kwh,
    executed_at
)
select $1, t.number, b.zone, b.delivery_start, b.digest, s.digest, b.trader, s.trader, t.energy_wh, $6,
    to_timestamp($7::float8)
from unnest($2::integer[], $3::bigint[], $4::bigint[], $5::bigint[]) as t (number, buy, sell, energy_wh)
join trading.orders b on b.sequence = t.buy
join trading.orders s on s.sequence = t.sell
order by t.number;

-- close_orders -- What became of every order, and the cash it may still cost
update trading.orders o
set status = case when f.matched_wh > 0 then 'matched' else 'unmatched' end,
    matched_wh = f.matched_wh, locked_cash = f.locked_cash
from unnest($1::bigint[], $2::bigint[], $3::numeric[]) as f (sequence, matched_wh, locked_cash)
where o.sequence = f.sequence;

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

-- release_orders -- The slot is over: its orders cost nothing more
update trading.orders set locked_cash = 0
where zone = $1 and delivery_start = to_timestamp($2::bigint) and locked_cash > 0;

-- release_trades -- The slot is over: its trades are done, but for those that failed
update trading.trades set settlement_status = 'settled'
where zone = $1 and delivery_start = to_timestamp($2::bigint) and settlement_status in ('pending', 'submitted');
