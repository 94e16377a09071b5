-- stored -- An order as the market keeps it, by digest
select sequence, digest, status, received_at, trader, zone, extract(epoch from delivery_start)::bigint as delivery_start
from trading.orders where digest = $1;

-- trader_state -- All that decides whether a trader may enter an order ($1 chain, $2 trader, $3 zone, $4 slot, $5 side, $6 lane)
select
    exists (select from trading.auctions where zone = $3 and delivery_start = to_timestamp($4::bigint)) as is_cleared,
    exists (select from telemetry.meters where zone = $3) as zone_known,
    coalesce((
        select extract(epoch from least(kyc_until, to_timestamp(8589934592)))::bigint
        from blockchain.participants where chain_id = $1 and account = $2
    ), 0) as kyc_until,
    coalesce((select flags from blockchain.participants where chain_id = $1 and account = $2), 0) as flags,
    -- Cash announced for withdrawal may leave at any time.
    coalesce((
        select cash - pending_cash from blockchain.account_balances where chain_id = $1 and account = $2
    ), 0)
        -- What is settled on chain has left the cash already; its lock is freed a moment later.
        - coalesce((
            select sum(o.locked_cash) from trading.held_orders o
            where o.trader = $2 and o.locked_cash > 0 and not exists (
                select from blockchain.settled_orders s
                where s.chain_id = $1 and s.trader = o.trader and s.delivery_start = o.delivery_start
                  and s.zone = o.zone and s.lane = o.lane and s.nonce = o.nonce
            )
        ), 0) as free_cash,
    coalesce((select nonce from blockchain.account_balances where chain_id = $1 and account = $2), 0) as nonce_floor,
    array(
        select fuse_w from telemetry.meters where owner = $2 and zone = $3 and active and kind <> 'feeder'
    ) as fuses_w,
    mine.position_wh,
    mine.open_orders,
    coalesce((select max(nonce) from trading.orders where trader = $2 and lane = $6), -1) as last_lane_nonce,
    -- A lane is only entered when free, so the newest order that was not withdrawn or left over is the one that holds it.
    -- Lane 0 starts again in every slot: there an order of another slot holds nothing up.
    (
        select newest.digest from (
            select digest from trading.orders
            where trader = $2 and lane = $6 and status in ('open', 'matched')
              and ($6::integer <> 0 or delivery_start = to_timestamp($4::bigint))
            order by nonce desc limit 1
        ) newest
        where exists (select from trading.held_orders held where held.digest = newest.digest)
    ) as live_lane_order,
    extract(epoch from least(mandate.expiry, to_timestamp(8589934592)))::bigint as mandate_expiry,
    mandate.budget_per_slot as mandate_per_slot,
    mandate.budget - coalesce((
        select sum(-i.money) from blockchain.settled_imbalances i
        where i.chain_id = $1 and i.account = $2 and i.block_number >= mandate.updated_block and i.money < 0
    ), 0) as mandate_left
from (
    select coalesce(sum(energy_wh) filter (where side = $5), 0)::bigint as position_wh, count(*) as open_orders
    from trading.orders
    where trader = $2 and zone = $3 and delivery_start = to_timestamp($4::bigint) and status = 'open'
) mine
left join blockchain.mandates mandate on mandate.chain_id = $1 and mandate.account = $2;

-- insert_order -- The order enters the book
insert into trading.orders (
    digest, sequence, trader, side, zone, delivery_start, energy_wh, limit_price_per_kwh, min_fill_wh,
    time_in_force, source, expiry, lane, nonce, signature, locked_cash, received_at
) values (
    $1, $2, $3, $4, $5, to_timestamp($6::bigint), $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
    to_timestamp($17::float8)
) returning received_at;

-- cancel -- The order leaves the book
update trading.orders set status = 'cancelled', locked_cash = 0 where digest = $1;
