-- insert_settlement -- a computed settlement
insert into trading.settlements (
    zone, delivery_start, version, state, trades, traded_wh, delivered_wh, imbalance_wh, grid_exchange_wh,
    price_local_per_kwh, price_long_per_kwh, price_short_per_kwh, grid_fee_nano, residue_nano, readings_root,
    result_hash, missing_meters)
values ($1, to_timestamp($2), $3, 'computed', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
returning settlement_id

-- replace_settlement -- a computed settlement without the voided trades, or with them again
update trading.settlements
set trades = $4, traded_wh = $5, delivered_wh = $6, imbalance_wh = $7, grid_exchange_wh = $8,
    price_local_per_kwh = $9, price_long_per_kwh = $10, price_short_per_kwh = $11, grid_fee_nano = $12,
    residue_nano = $13, readings_root = $14, result_hash = $15
where zone = $1 and delivery_start = to_timestamp($2) and version = $3

-- forget_accounts -- lines of an outcome that was computed anew
delete from trading.settlement_accounts where settlement_id = $1

-- insert_accounts -- every account's line
insert into trading.settlement_accounts (
    settlement_id, account, bought_wh, sold_wh, injection_wh, withdrawal_wh, imbalance_wh, netted_wh,
    trade_money_nano, grid_fee_nano, imbalance_money_nano, state)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)

-- store_delivery -- what a trade delivered
update trading.trades
set delivered_wh = $4, grid_fee_nano = $5, carbon_offset_g = $6
where zone = $1 and delivery_start = to_timestamp($2) and trade_number = $3

-- store_no_delivery -- trades of voided orders deliver nothing
update trading.trades
set delivered_wh = 0, grid_fee_nano = 0, carbon_offset_g = 0
where zone = $1 and delivery_start = to_timestamp($2) and (buy_order = any($3::bytea[]) or sell_order = any($3))

-- voids -- voided orders of a settlement
select digest, reason from trading.settlement_voids where settlement_id = $1 order by digest

-- forget_voids -- of an attempt that was judged anew
delete from trading.settlement_voids where settlement_id = $1

-- record_void -- an order that the exchange would refuse, and the block that says so
insert into trading.settlement_voids (settlement_id, digest, account, reason, as_of_block, as_of_hash)
select $1, o.digest, o.trader, $3, $4, $5 from trading.orders o where o.digest = $2

-- trades -- the slot's trades in the auction's sequence
select t.trade_number, t.buy_order, t.sell_order, t.buyer, t.seller, t.energy_wh, t.price_per_kwh, a.grid_fee_per_kwh
from trading.trades t join trading.auctions a using (auction_id)
where t.zone = $1 and t.delivery_start = to_timestamp($2)
order by t.trade_number

-- stored -- what a settlement was computed with
select zone, extract(epoch from delivery_start)::bigint as delivery_start, version, readings_root, result_hash,
    price_local_per_kwh, price_long_per_kwh, price_short_per_kwh
from trading.settlements where settlement_id = $1
