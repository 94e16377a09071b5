-- open -- settlements whose place on chain is not final yet, oldest first; whoever holds the rows moves them
select settlement_id, zone, extract(epoch from delivery_start)::bigint as delivery_start, version, state,
    state_reason, batch_sequence, transaction_hash, block_number, gas_used,
    extract(epoch from clock_timestamp() - computed_at)::bigint as age_s
from trading.settlements
where settlement_id in (
    select settlement_id from trading.settlements where state not in ('settled', 'failed')
    union
    select settlement_id from trading.settlements
    where state = 'settled' and batch_sequence is not null and block_number > $1
    union
    select settlement_id from trading.settlements
    where state = 'settled' and batch_sequence is not null and gas_used is null)
order by delivery_start, zone, version
for update skip locked

-- earlier -- the earliest slot of any zone before one ($1) that may still settle, those without a settlement if $2
select zone, extract(epoch from delivery_start)::bigint as delivery_start
from (
    select zone, delivery_start from trading.settlements
    where state not in ('settled', 'failed') and delivery_start < to_timestamp($1)
    union all
    select zone, delivery_start from trading.auctions
    where $2 and not is_computed and delivery_start < to_timestamp($1)
) open
order by delivery_start, zone
limit 1

-- traded -- how many orders of each account are in the trades of a slot
select account, count(distinct digest) as orders
from (
    select buyer as account, buy_order as digest from trading.trades
    where zone = $1 and delivery_start = to_timestamp($2)
    union all
    select seller, sell_order from trading.trades where zone = $1 and delivery_start = to_timestamp($2)
) traded
group by account

-- set_state -- a step of a settlement
update trading.settlements set state = $2, state_reason = $3 where settlement_id = $1

-- trades_state -- of all trades of a slot; those of voided orders have failed whatever becomes of the others
update trading.trades t
set settlement_status = case when exists (
    select from trading.settlement_voids v where v.settlement_id = $4 and v.digest in (t.buy_order, t.sell_order)
) then 'failed' else $3 end
where t.zone = $1 and t.delivery_start = to_timestamp($2)

-- settled -- the batch is in the mirrored chain
update trading.settlements s
set state = 'settled', state_reason = null, transaction_hash = $2, block_number = $3, gas_used = $4,
    settled_at = coalesce(s.settled_at, clock_timestamp()),
    is_audited = s.is_audited and (s.transaction_hash, s.block_number) is not distinct from ($2::bytea, $3::bigint)
where settlement_id = $1

-- settled_off_chain -- nothing had to move
update trading.settlements
set state = 'settled', state_reason = null, settled_at = clock_timestamp(), is_audited = false
where settlement_id = $1

-- removed -- a reorganisation took the batch out of the chain
update trading.settlements
set state = 'submitted', state_reason = $2, transaction_hash = null, block_number = null, gas_used = null,
    settled_at = null
where settlement_id = $1

-- withdraw -- the batch was refused by the chain: its number is free again
update trading.settlements
set state = $2, state_reason = $3, batch_sequence = null, batch = null, is_audited = false
where settlement_id = $1
