-- auction -- the slot's auction and its published book
select zone, extract(epoch from delivery_start)::bigint as delivery_start, slot_s, clearing_price_per_kwh,
    price_low_per_kwh, price_high_per_kwh, grid_fee_per_kwh, order_count, matched_wh, book, book_hash, result_hash
from trading.auctions where zone = $1 and delivery_start = to_timestamp($2)

-- events -- all events of a slot: acceptances, cancellations and the auction, each with the hash before it
with accepted as (
    select * from trading.events where kind = 'order_accepted' and substring(payload from 1 for 12) = $1
), slot as (
    select * from accepted
    union all
    select e.* from trading.events e join accepted using (subject) where e.kind in ('order_cancelled', 'order_expired')
    union all
    select * from trading.events where kind in ('gate_closed', 'auction_cleared') and subject = $1
)
select s.sequence, s.kind, s.subject, s.payload, s.previous_hash, s.hash,
    coalesce(p.hash, decode(repeat('00', 32), 'hex')) as hash_before
from slot s left join trading.events p on p.sequence = s.sequence - 1
order by s.sequence

-- proved_late -- meters whose slot end was proved only when the settlement was already computed
select m.meter_id
from unnest($1::bigint[]) as m (meter_id)
where not exists (
    select from telemetry.readings r
    where r.meter_id = m.meter_id and r.state = 'VALIDATED' and r."time" >= to_timestamp($2)
      and r.received_at < $3::timestamptz - interval '2 seconds')

-- late_known -- the number of the last late reading that a version knows; null where it knows all
select nullif(late_readings, telemetry.newest_late_reading()) from trading.settlements
where $1::bigint = any(zones) and delivery_start = to_timestamp($2) and version = $3

-- trades -- as stored
select trade_number, zone, sell_zone, buy_order, sell_order, buyer, seller, energy_wh, price_per_kwh, fee_per_kwh,
    rent_per_kwh, delivered_wh, grid_fee_nano, carbon_offset_g, settlement_status
from trading.trades where zone = any($1::bigint[]) and delivery_start = to_timestamp($2)
order by trade_number

-- attested_roots -- all commitments to a zone's readings as of the end of a slot
select readings_root from blockchain.fact_production_ledger_registers_attested
where chain_id = $1 and zone = $2 and slot_end = $3

-- charges -- what was owed, the caps that were recorded, and whether the block they were read at still stands
select c.account, c.owed, c.cap, c.locked, c.as_of_block, c.as_of_hash, c.batch,
    exists (
        select from blockchain.blocks b
        where b.chain_id = $2 and b.number = c.as_of_block and b.hash = c.as_of_hash) as canonical,
    -- A slot that is not newer than one charged before shares that one's budget.
    exists (
        select from blockchain.settled_imbalances i
        where i.chain_id = $2 and i.account = c.account and i.money < 0 and i.sequence < b.batch_sequence
          and i.delivery_start >= s.delivery_start) as shares_budget
from trading.settlement_charges c
join trading.settlements s using (settlement_id)
join trading.settlement_batches b on b.settlement_id = c.settlement_id and b.ordinal = c.batch
where c.settlement_id = $1
order by c.account

-- voids -- the orders that were left out, why, and whether the block that says so still stands
select v.digest, v.account, v.reason, v.as_of_block, v.as_of_hash, v.batch,
    exists (
        select from blockchain.blocks b
        where b.chain_id = $2 and b.number = v.as_of_block and b.hash = v.as_of_hash) as canonical
from trading.settlement_voids v
where v.settlement_id = $1
order by v.digest

-- registered -- meters that the chain had in use in a zone ($2) from a time ($3) to a block ($4): ever, and throughout
with sets as (
    select meter_id, zone = $2 and active as in_use, block_time > to_timestamp($3) as within, block_number, log_index
    from blockchain.fact_participant_registry_meter_set
    where chain_id = $1 and block_number <= $4
), moments as (
    select meter_id, in_use from sets where within
    union all
    (select distinct on (meter_id) meter_id, in_use from sets where not within
     order by meter_id, block_number desc, log_index desc)
)
select meter_id, bool_or(in_use) as ever,
    bool_and(in_use) and meter_id in (select meter_id from sets where not within) as throughout
from moments
group by meter_id

-- sequences -- the batches by which a slot was settled, over all zones
select b.batch_sequence from trading.settlement_batches b join trading.settlements s using (settlement_id)
where s.delivery_start = to_timestamp($1)

-- balances -- mirrored vault accounts, all or some, and the block they are of
select c.block_number, c.block_hash, b.account, b.cash, b.energy_wh, b.nonce
from blockchain.cursors c
join blockchain.account_balances b on b.chain_id = c.chain_id
where c.chain_id = $1 and c.stream = 'main' and ($2::bytea[] is null or b.account = any($2))
order by b.account
