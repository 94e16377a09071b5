-- insert_settlement -- a computed settlement
insert into trading.settlements (
    zone, delivery_start, version, state, trades, traded_wh, delivered_wh, imbalance_wh, grid_exchange_wh,
    price_local_per_kwh, price_long_per_kwh, price_short_per_kwh, grid_fee_nano, rent_nano, residue_nano,
    readings_root, result_hash, batches, missing_meters, most_entries, previous_id,
    zones)
values ($1, to_timestamp($2), $3, 'computed', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
    $20, $21)
returning settlement_id

-- replace_settlement -- a computed settlement without the voided trades, or with them again
update trading.settlements
set trades = $4, traded_wh = $5, delivered_wh = $6, imbalance_wh = $7, grid_exchange_wh = $8,
    price_local_per_kwh = $9, price_long_per_kwh = $10, price_short_per_kwh = $11, grid_fee_nano = $12,
    rent_nano = $13, residue_nano = $14, readings_root = $15, result_hash = $16, batches = $17
where zone = $1 and delivery_start = to_timestamp($2) and version = $3

-- forget_accounts -- lines of an outcome that was computed anew
delete from trading.settlement_accounts where settlement_id = $1

-- insert_accounts -- every account's line
insert into trading.settlement_accounts (
    settlement_id, account, bought_wh, sold_wh, injection_wh, withdrawal_wh, imbalance_wh, netted_wh,
    trade_money_nano, grid_fee_nano, rent_nano, imbalance_money_nano, uncovered, state)
select $1, * from unnest($2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::text[])

-- store_deliveries -- what the trades delivered
update trading.trades t
set delivered_wh = given.delivered_wh, grid_fee_nano = given.grid_fee_nano, carbon_offset_g = given.carbon_offset_g
from unnest($3::integer[], $4::bigint[], $5::bigint[], $6::bigint[])
    as given (trade_number, delivered_wh, grid_fee_nano, carbon_offset_g)
where t.zone = any($1::bigint[]) and t.delivery_start = to_timestamp($2) and t.trade_number = given.trade_number

-- store_no_delivery -- all trades but those that settle deliver nothing
update trading.trades
set delivered_wh = 0, grid_fee_nano = 0, carbon_offset_g = 0
where zone = any($1::bigint[]) and delivery_start = to_timestamp($2) and trade_number <> all($3::integer[])

-- batches -- how many batches the settlement takes
update trading.settlements set batches = $2 where settlement_id = $1

-- trades_batch -- the trades of one batch, instead of those of an attempt before and of what followed it
update trading.trades
set batch = case when trade_number = any($4::integer[]) then $3 end
where zone = any($1::bigint[]) and delivery_start = to_timestamp($2) and (batch >= $3 or trade_number = any($4))

-- voids -- voided orders of a slot's first settlement, which later versions keep to
select v.digest, v.batch
from trading.settlements s
join trading.settlements first on (first.zone, first.delivery_start, first.version) = (s.zone, s.delivery_start, 0)
join trading.settlement_voids v on v.settlement_id = first.settlement_id
where s.settlement_id = $1
order by v.digest

-- forget_voids -- of an attempt that was judged anew, and of what followed it
delete from trading.settlement_voids where settlement_id = $1 and batch >= $2

-- record_void -- an order that the exchange would refuse, and the block that says so
insert into trading.settlement_voids (settlement_id, digest, account, reason, as_of_block, as_of_hash, batch)
select $1, o.digest, o.trader, $3, $4, $5, $6 from trading.orders o where o.digest = $2

-- trades -- the slot's trades in its sequence
select trade_number as number, buy_order, sell_order, buyer, seller, energy_wh, price_per_kwh, fee_per_kwh, rent_per_kwh
from trading.trades
where zone = any($1::bigint[]) and delivery_start = to_timestamp($2)
order by trade_number

-- stored -- what a settlement was computed with
select zone, extract(epoch from delivery_start)::bigint as delivery_start, version, readings_root, result_hash,
    price_local_per_kwh, price_long_per_kwh, price_short_per_kwh, most_entries, previous_id, zones
from trading.settlements where settlement_id = $1

-- settled_money -- what every account received of a version, exactly, and what could not be charged of it until then
select a.account, a.trade_money_nano - a.grid_fee_nano - a.rent_nano + a.imbalance_money_nano as money_nano,
    a.uncovered + coalesce(c.shortfall, 0) as uncovered
from trading.settlement_accounts a left join trading.settlement_charges c using (settlement_id, account)
where a.settlement_id = $1
