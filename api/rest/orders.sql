-- order -- an order, if it is the reader's own or its gate has closed
select digest, sequence, status, received_at, trader, zone, delivery_start, side, energy_wh, limit_price_per_kwh,
    min_fill_wh, time_in_force, source, to_timestamp(expiry) as expiry, lane, nonce, matched_wh, locked_cash, signature,
    post_only, display_wh, self_trade, good_till, replaces, block, close_reason
from trading.orders
where digest = $1 and (trader = $2 or delivery_start <= $3);

-- orders -- newest first: an account's, of others only those whose gate has closed
select digest, sequence, status, received_at, trader, zone, delivery_start, side, energy_wh, limit_price_per_kwh,
    min_fill_wh, time_in_force, source, to_timestamp(expiry) as expiry, lane, nonce, matched_wh, locked_cash, signature,
    post_only, display_wh, self_trade, good_till, replaces, block, close_reason
from trading.orders
where trader = $1 and (trader = $2 or delivery_start <= $3)
  and ($4::text is null or status = $4)
  and ($5::timestamptz is null or delivery_start = $5)
  and ($6::bigint is null or sequence < $6)
order by sequence desc
limit $7;
