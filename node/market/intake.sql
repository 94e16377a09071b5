-- Every "limit 1" below keeps the planner from reading whole tables for a few rows: it judges a plan by the tables as they
-- were when it was made, and keeps it while they grow.

-- standing -- All that decides whether orders may enter, a row for each in the arrays' order ($1 chain; digests, traders, zones, slots, sides, lanes, replaced digests)
with asked as materialized (
    select * from unnest(
        $2::bytea[], $3::bytea[], $4::bigint[], $5::bigint[], $6::text[], $7::integer[], $8::bytea[]
    ) with ordinality as asked (digest, trader, zone, start_s, side, lane, replaces, number)
), standing as materialized (
    select who.trader,
        case when p.account is null then 0
            else extract(epoch from least(p.kyc_until, to_timestamp(8589934592)))::bigint end as kyc_until,
        coalesce(p.flags, 0) as flags,
        -- Cash announced for withdrawal may leave at any time.
        coalesce(b.cash - b.pending_cash, 0) - held.cash as free_cash,
        coalesce(b.nonce, 0) as nonce_floor,
        extract(epoch from least(m.expiry, to_timestamp(8589934592)))::bigint as mandate_expiry,
        m.budget_per_slot as mandate_per_slot,
        m.budget - case when m.account is null then 0 else coalesce((
            select sum(-i.money) from blockchain.settled_imbalances i
            where i.chain_id = $1 and i.account = who.trader and i.block_number >= m.updated_block and i.money < 0
        ), 0) end as mandate_left
    from (select distinct trader from asked) who
    left join lateral (
        select * from blockchain.participants where chain_id = $1 and account = who.trader limit 1
    ) p on true
    left join lateral (
        select * from blockchain.account_balances where chain_id = $1 and account = who.trader limit 1
    ) b on true
    left join lateral (
        select * from blockchain.mandates where chain_id = $1 and account = who.trader limit 1
    ) m on true
    cross join lateral (
        select coalesce(sum(h.cash), 0) as cash from trading.held_cash($1, who.trader) h
    ) held
)
select
    stored.sequence as stored_sequence, stored.status as stored_status, stored.received_at as stored_at,
    stored.locked_cash as stored_lock,
    (
        select true from trading.auctions
        where zone = asked.zone and delivery_start = to_timestamp(asked.start_s) limit 1
    ) is not null as is_cleared,
    (select true from telemetry.meters where zone = asked.zone limit 1) is not null as zone_known,
    standing.kyc_until, standing.flags, standing.free_cash, standing.nonce_floor,
    standing.mandate_expiry, standing.mandate_per_slot, standing.mandate_left,
    array(
        select fuse_w from telemetry.meters
        where owner = asked.trader and zone = asked.zone and active and kind <> 'feeder'
    ) as fuses_w,
    mine.position_wh, mine.open_orders, mine.entered_orders,
    coalesce((select max(nonce) from trading.orders where trader = asked.trader and lane = asked.lane), -1)
        as last_lane_nonce,
    -- A lane is only entered when free, so the newest order that was not withdrawn or left over is the one that holds it.
    -- Lane 0 starts again in every slot: there an order of another slot holds nothing up.
    (
        select newest.digest from (
            (
                select digest, status, zone, delivery_start from trading.orders
                where asked.lane <> 0 and trader = asked.trader and lane = asked.lane and status in ('open', 'matched')
                order by nonce desc limit 1
            ) union all (
                select digest, status, zone, delivery_start from trading.orders
                where asked.lane = 0 and trader = asked.trader and delivery_start = to_timestamp(asked.start_s)
                  and lane = 0 and status in ('open', 'matched')
                order by nonce desc limit 1
            )
        ) newest
        -- As trading.held_orders has it.
        where newest.status = 'open' or (
            select true from trading.trades t
            where t.zone = newest.zone and t.delivery_start = newest.delivery_start
              and t.settlement_status in ('pending', 'submitted')
              and (t.buyer = asked.trader and t.buy_order = newest.digest
                or t.seller = asked.trader and t.sell_order = newest.digest)
            limit 1
        ) is not null
    ) as live_lane_order,
    replaced.status as replaced_status, replaced.trader as replaced_trader, replaced.zone as replaced_zone,
    extract(epoch from replaced.delivery_start)::bigint as replaced_start_s, replaced.side as replaced_side,
    replaced.lane as replaced_lane, replaced.energy_wh as replaced_energy_wh, replaced.locked_cash as replaced_lock
from asked
join standing using (trader)
left join lateral (
    select sequence, status, received_at, locked_cash from trading.orders where digest = asked.digest limit 1
) stored on true
left join lateral (
    select * from trading.orders where digest = asked.replaces limit 1
) replaced on true
cross join lateral (
    -- What has traded takes part of the position, and of the settlement's room, until the slot is over.
    select coalesce(sum(case status when 'open' then energy_wh when 'matched' then matched_wh end)
            filter (where side = asked.side), 0)::bigint as position_wh,
        count(*) filter (where status in ('open', 'matched')) as open_orders,
        count(*) as entered_orders
    from trading.orders o
    where o.trader = asked.trader and o.delivery_start = to_timestamp(asked.start_s) and o.zone = asked.zone
) mine
order by asked.number;

-- enter -- The orders enter the book
insert into trading.orders (
    digest, sequence, trader, side, zone, delivery_start, energy_wh, limit_price_per_kwh, min_fill_wh,
    time_in_force, source, expiry, lane, nonce, signature, locked_cash, post_only, display_wh, self_trade, good_till,
    replaces, block, received_at
)
select e.digest, e.sequence, e.trader, e.side, e.zone, to_timestamp(e.start_s), e.energy_wh, e.price, e.min_fill_wh,
    e.time_in_force, e.source, e.expiry, e.lane, e.nonce, e.signature, e.locked_cash, e.post_only, e.display_wh,
    e.self_trade, e.good_till, e.replaces, e.block, $23
from unnest(
    $1::bytea[], $2::bigint[], $3::bytea[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::smallint[], $11::smallint[], $12::bigint[], $13::integer[], $14::bigint[], $15::bytea[],
    $16::numeric[], $17::boolean[], $18::bigint[], $19::smallint[], $20::bigint[], $21::bytea[], $22::bytea[]
) as e (
    digest, sequence, trader, side, zone, start_s, energy_wh, price, min_fill_wh, time_in_force, source, expiry, lane,
    nonce, signature, locked_cash, post_only, display_wh, self_trade, good_till, replaces, block
);

-- replace -- The replaced orders leave the book
update trading.orders set status = 'cancelled', locked_cash = 0 where digest = any ($1::bytea[]);
