-- zones -- zones that have meters in service
select zone, meters from telemetry.meters_in_service() order by zone;

-- slots -- delivery slots from one time to another; of the ended ones those that had an auction
select slots.zone, slots.delivery_start,
    trading.order_count(slots.zone, slots.delivery_start) as order_count,
    auctions.auction_id is not null as auctioned, auctions.clearing_price_per_kwh, auctions.matched_wh,
    settled.state as settlement_state, settled.delivered_wh, settled.imbalance_wh, settled.gas_used, settled.trades,
    settled.transaction_hash, checked.differences
from (
    select $1::bigint as zone, to_timestamp(start_s) as delivery_start
    from generate_series(($2::bigint / $4::bigint) * $4::bigint, $3::bigint, $4::bigint) as start_s
) as slots
left join trading.auctions as auctions using (zone, delivery_start)
left join lateral (
    select * from trading.settlements as s
    where s.zone = slots.zone and s.delivery_start = slots.delivery_start
    order by version desc limit 1
) as settled on true
left join audit.slot_checks as checked
    on checked.zone = slots.zone and checked.delivery_start = slots.delivery_start
    and checked.version = settled.version
where auctions.auction_id is not null or slots.delivery_start + make_interval(secs => $4::bigint) > $5
order by slots.delivery_start;

-- order_count -- how many orders stand in a slot's book
select trading.order_count($1, $2);

-- book -- every order of a slot, in the market's sequence
select digest, sequence, status, received_at, trader, zone, delivery_start, side, energy_wh, limit_price_per_kwh,
    min_fill_wh, time_in_force, source, to_timestamp(expiry) as expiry, lane, nonce, matched_wh, locked_cash, signature,
    post_only, display_wh, self_trade, good_till, replaces, block, close_reason
from trading.orders where zone = $1 and delivery_start = $2 and status <> 'cancelled' order by sequence;

-- published -- the canonical book and the hashes that pin book and result: of all zones that were cleared together
select
    case when area.area is null then own.book else area.head || (
        select string_agg(int4send(length(zone.book)) || zone.book, ''::bytea order by zone.zone)
        from trading.auctions zone
        where zone.area = own.area and zone.delivery_start = own.delivery_start and zone.zone = any(area.zones)
    ) end as book,
    coalesce(area.book_hash, own.book_hash) as book_hash,
    coalesce(area.result_hash, own.result_hash) as result_hash
from trading.auctions own
left join trading.area_auctions area on area.area = own.area and area.delivery_start = own.delivery_start
where own.zone = $1 and own.delivery_start = $2;
