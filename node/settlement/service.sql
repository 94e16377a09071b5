-- due -- ended slots of the given zones that were auctioned and are not settled, oldest first
select a.zone, extract(epoch from a.delivery_start)::bigint as delivery_start
from trading.auctions a
where a.zone = any($1::bigint[]) and not a.is_computed
  and a.delivery_start + make_interval(secs => a.slot_s) <= to_timestamp($2)
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
where a.zone = $1 and not a.is_computed and a.delivery_start < to_timestamp($2)

-- computed -- the slot has its settlement
update trading.auctions set is_computed = true where zone = $1 and delivery_start = to_timestamp($2)
