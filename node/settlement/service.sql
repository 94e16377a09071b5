-- due -- ended slots of the given zones that were auctioned and are not settled, oldest first
select a.zone, extract(epoch from a.delivery_start)::bigint as delivery_start
from trading.auctions a
where a.zone = any($1::bigint[])
  and a.delivery_start + make_interval(secs => a.slot_s) <= to_timestamp($2)
  and not exists (
      select from trading.settlements s
      where s.zone = a.zone and s.delivery_start = a.delivery_start and s.version = 0)
order by a.delivery_start, a.zone

-- lock_auction -- the slot's auction; whoever holds its row computes the slot
select clearing_price_per_kwh, grid_fee_per_kwh, slot_s
from trading.auctions
where zone = $1 and delivery_start = to_timestamp($2)
for update

-- existing -- the settlement of a slot and version, when there is one
select settlement_id from trading.settlements
where zone = $1 and delivery_start = to_timestamp($2) and version = $3

-- earlier_open -- the earliest auctioned slot before this one that is not settled; registers must be attested in order
select extract(epoch from min(a.delivery_start))::bigint
from trading.auctions a
where a.zone = $1 and a.delivery_start < to_timestamp($2)
  and not exists (
      select from trading.settlements s
      where s.zone = a.zone and s.delivery_start = a.delivery_start and s.version = 0)

-- trades -- the slot's trades in the auction's sequence
select t.trade_number, t.buy_order, t.sell_order, t.buyer, t.seller, t.energy_wh, t.price_per_kwh, a.grid_fee_per_kwh
from trading.trades t join trading.auctions a using (auction_id)
where t.zone = $1 and t.delivery_start = to_timestamp($2)
order by t.trade_number

-- insert_settlement -- a computed settlement
insert into trading.settlements (
    zone, delivery_start, version, state, trades, traded_wh, delivered_wh, imbalance_wh, grid_exchange_wh,
    price_local_per_kwh, price_long_per_kwh, price_short_per_kwh, grid_fee_nano, residue_nano, missing_meters,
    readings_root, result_hash)
values ($1, to_timestamp($2), $3, 'computed', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
returning settlement_id

-- insert_accounts -- every account's line
insert into trading.settlement_accounts (
    settlement_id, account, bought_wh, sold_wh, injection_wh, withdrawal_wh, imbalance_wh, netted_wh,
    trade_money_nano, grid_fee_nano, imbalance_money_nano, state)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)

-- store_delivery -- what a trade delivered
update trading.trades
set delivered_wh = $4, grid_fee_nano = $5, carbon_offset_g = $6
where zone = $1 and delivery_start = to_timestamp($2) and trade_number = $3

-- attested_meters -- which of these meters have a register on chain
select meter_id from blockchain.registers
where chain_id = $1 and meter_id = any($2::bigint[]) and slot_end is not null

-- stored -- what a settlement was computed with
select zone, extract(epoch from delivery_start)::bigint as delivery_start, version, readings_root, result_hash,
    price_local_per_kwh, price_long_per_kwh, price_short_per_kwh
from trading.settlements where settlement_id = $1
