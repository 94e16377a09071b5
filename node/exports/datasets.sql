-- trades -- executed trades ($1 zone, $2 first delivery, $3 before this one)
select trade_id, auction_id, trade_number, kind, zone, sell_zone, delivery_start, buyer, seller, buy_order, sell_order,
    energy_wh, price_per_kwh, fee_per_kwh, rent_per_kwh, delivered_wh, grid_fee_nano, carbon_offset_g,
    settlement_status, executed_at
from trading.trades
where ($1::bigint is null or zone = $1) and ($2::timestamptz is null or delivery_start >= $2)
  and ($3::timestamptz is null or delivery_start < $3)
order by trade_id;

-- orders -- orders that the reader may see
select sequence, digest as order_id, trader, side, zone, delivery_start, energy_wh, limit_price_per_kwh, min_fill_wh,
    time_in_force, source, to_timestamp(expiry) as expiry, lane, nonce, status, matched_wh, received_at, signature
from trading.orders
where ($1::bigint is null or zone = $1) and ($2::timestamptz is null or delivery_start >= $2)
  and ($3::timestamptz is null or delivery_start < $3)
order by sequence;

-- energy -- energy by meter and slot, of meters that the reader may see
select e.meter_id, m.zone, e.delivery_start, e.slot_s, e.version, e.import_register_wh, e.export_register_wh,
    e.import_wh, e.export_wh, e.state, e.computed_at
from telemetry.slot_energy e join telemetry.meters m using (meter_id)
where ($1::bigint is null or m.zone = $1) and ($2::timestamptz is null or e.delivery_start >= $2)
  and ($3::timestamptz is null or e.delivery_start < $3)
order by e.delivery_start, e.meter_id, e.version;

-- readings -- signed registers of meters that the reader may see
select r.meter_id, m.zone, r."time", r.counter, r.import_wh, r.export_wh, r.power_w, r.state, r.reason, r.signer,
    r.signature, r.received_at
from telemetry.readings r join telemetry.meters m using (meter_id)
where ($1::bigint is null or m.zone = $1) and ($2::timestamptz is null or r."time" >= $2)
  and ($3::timestamptz is null or r."time" < $3)
order by r."time", r.meter_id, r.counter;
