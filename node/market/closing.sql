-- void_orders -- Takes out open orders that the exchange would refuse: voided nonce, lost clearance, cash (to be) withdrawn
update trading.orders o
set status = case when o.matched_wh > 0 then 'matched' else 'cancelled' end, locked_cash = 0
where o.zone = any ($2::bigint[]) and o.delivery_start = to_timestamp($3::bigint) and o.status = 'open'
  and o.received_at < to_timestamp($5::float8) and (
    exists (
        select from blockchain.account_balances b where b.chain_id = $1 and b.account = o.trader
          and (b.nonce > o.nonce or b.cash - b.pending_cash < (
              select sum(h.cash) from trading.held_cash($1, o.trader) h
          ))
    ) or not exists (
        select from blockchain.participants p where p.chain_id = $1 and p.account = o.trader
          and p.flags & 4 = 0 and p.kyc_until >= to_timestamp($4::bigint)
    )
)
returning o.digest, o.sequence;

-- book_orders -- Every order still open in a slot that came before a time ($3), in sequence
select zone, sequence, digest, trader, side, energy_wh, limit_price_per_kwh, min_fill_wh, time_in_force, source, expiry,
    lane, nonce, signature, taken_wh, post_only, display_wh, self_trade, good_till, replaces, block
from trading.orders
where zone = any ($1::bigint[]) and delivery_start = to_timestamp($2::bigint) and status = 'open'
  and received_at < to_timestamp($3::float8)
order by sequence;

-- drop_blocks -- Orders in blocks that came too late for the auction that takes them
update trading.orders set status = 'unmatched', locked_cash = 0
where zone = any ($1::bigint[]) and delivery_start = to_timestamp($2::bigint) and status = 'open' and block is not null;

-- insert_trades -- Who delivers how much to whom, numbered after what the area traded before
insert into trading.trades (
    auction_id, trade_number, zone, sell_zone, delivery_start, buy_order, sell_order, buyer, seller, energy_wh,
    price_per_kwh, fee_per_kwh, rent_per_kwh, kind, executed_at
)
select a.auction_id, earlier.trades + t.number - 1, b.zone, s.zone, b.delivery_start, b.digest, s.digest, b.trader,
    s.trader, t.energy_wh, t.price_per_kwh, t.fee_per_kwh, t.rent_per_kwh, $10, to_timestamp($3::float8)
from unnest($4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[]) with ordinality
    as t (buy, sell, energy_wh, price_per_kwh, fee_per_kwh, rent_per_kwh, number)
join trading.orders b on b.sequence = t.buy
join trading.orders s on s.sequence = t.sell
left join trading.auctions a on a.zone = b.zone and a.delivery_start = b.delivery_start and $10 = 'auction'
cross join (
    select coalesce(max(trade_number) + 1, 0) as trades from trading.trades
    where zone = any ($1::bigint[]) and delivery_start = to_timestamp($2::bigint)
) earlier
order by t.number;

-- close_orders -- What became of every order
update trading.orders o
set status = case when o.matched_wh + f.matched_wh > 0 then 'matched' else 'unmatched' end,
    matched_wh = o.matched_wh + f.matched_wh, locked_cash = 0
from unnest($1::bigint[], $2::bigint[]) as f (sequence, matched_wh)
where o.sequence = f.sequence;

-- lock_trades -- The cash that trades may still cost ($1 zones, $2 slot, $3 what replacing a Wh costs at most)
update trading.orders o set locked_cash = lock.cash
from (
    -- A buyer pays all that he owes for what he gets, a seller what it costs more to replace what he sold.
    select side.digest, ceil(sum(side.nano) / 1000) as cash
    from trading.trades t,
        lateral (values
            (t.buy_order, t.energy_wh::numeric * greatest(0, t.price_per_kwh + t.fee_per_kwh + t.rent_per_kwh)),
            (t.sell_order, t.energy_wh::numeric * greatest(0, $3::bigint - t.price_per_kwh))
        ) as side (digest, nano)
    where t.zone = any ($1::bigint[]) and t.delivery_start = to_timestamp($2::bigint)
    group by side.digest
) lock
where o.digest = lock.digest;
