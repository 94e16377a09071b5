-- due -- ended slots that were auctioned in the given zones and are not settled, by area and oldest first
select distinct a.area as zone, extract(epoch from a.delivery_start)::bigint as delivery_start
from trading.auctions a
where a.zone = any($1::bigint[]) and not a.is_computed
  and a.delivery_start + make_interval(secs => a.slot_s) <= to_timestamp($2)
order by delivery_start, zone

-- lock_auctions -- the slot's auctions, one for each zone of the area; whoever holds their rows computes the slot
select zone, clearing_price_per_kwh, slot_s
from trading.auctions
where area = $1 and delivery_start = to_timestamp($2)
order by zone
for update

-- existing -- the settlement of a slot and version, when there is one
select settlement_id from trading.settlements
where zone = $1 and delivery_start = to_timestamp($2) and version = $3

-- earlier_open -- the earliest auctioned slot before this one that is not settled; registers must be attested in order
select extract(epoch from min(a.delivery_start))::bigint
from trading.auctions a
where a.zone = any($1::bigint[]) and not a.is_computed and a.delivery_start < to_timestamp($2)

-- computed -- the slot has its settlement
update trading.auctions set is_computed = true where zone = any($1::bigint[]) and delivery_start = to_timestamp($2)
