-- sequence_state -- the exchange's next number as indexed, and the highest one that a settlement holds
select (select next_sequence from blockchain.exchange_totals where chain_id = $1) as next_on_chain,
    (select max(batch_sequence) from trading.settlement_batches) as last_assigned,
    -- A revision fills no order, so that it may wait between its batches while other slots settle.
    exists (
        select from trading.settlements s
        where s.state = 'submitted' and s.settlement_id <> $2 and (s.version = 0 or exists (
            select from trading.settlement_batches b where b.settlement_id = s.settlement_id and b.block_number is null))
    ) as in_flight

-- orders -- the signed orders of a slot's trades
select o.digest, o.trader, o.zone, o.side, o.energy_wh, o.limit_price_per_kwh, o.min_fill_wh, o.time_in_force, o.source,
    o.expiry, o.lane, o.nonce, o.signature
from trading.orders o
where o.digest in (
    select buy_order from trading.trades where zone = any($1::bigint[]) and delivery_start = to_timestamp($2)
    union
    select sell_order from trading.trades where zone = any($1::bigint[]) and delivery_start = to_timestamp($2))

-- forget_charges -- caps of an attempt that failed, and of what followed it
delete from trading.settlement_charges where settlement_id = $1 and batch >= $2

-- record_charge -- what an account owed, the cap it had, and the cash that the cap left out
insert into trading.settlement_charges (settlement_id, account, owed, cap, locked, as_of_block, as_of_hash, batch)
values ($1, $2, $3, $4, $5, $6, $7, $8)

-- submit -- a batch of the settlement is on its way
update trading.settlements set state = 'submitted', state_reason = null where settlement_id = $1
