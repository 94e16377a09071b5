-- open -- settlements whose place on chain is not final yet, oldest first; whoever holds the rows moves them
select settlement_id, zone, zones, extract(epoch from delivery_start)::bigint as delivery_start, version, state,
    state_reason, batches,
    extract(epoch from clock_timestamp() - computed_at)::bigint as age_s
from trading.settlements
where settlement_id in (
    select settlement_id from trading.settlements where state not in ('settled', 'failed')
    union
    select settlement_id from trading.settlements where batch_sequence is not null and block_number > $1
    union
    select settlement_id from trading.settlements where batch_sequence is not null and gas_used is null
    union
    select settlement_id from trading.settlement_batches where block_number is null)
order by delivery_start, zone, version
for update skip locked

-- earlier -- the earliest slot of any zone before one ($1) that may still settle, those without a settlement if $2
select zone, extract(epoch from delivery_start)::bigint as delivery_start
from (
    select zone, delivery_start from trading.settlements
    where state not in ('settled', 'failed') and delivery_start < to_timestamp($1) and version = 0
    union all
    select area, delivery_start from trading.auctions
    where $2 and not is_computed and delivery_start < to_timestamp($1)
) open
order by delivery_start, zone
limit 1

-- traded -- how many orders of each account are in the trades of a slot
select account, count(distinct digest) as orders
from (
    select buyer as account, buy_order as digest from trading.trades
    where zone = any($1::bigint[]) and delivery_start = to_timestamp($2)
    union all
    select seller, sell_order from trading.trades where zone = any($1::bigint[]) and delivery_start = to_timestamp($2)
) traded
group by account

-- set_state -- a step of a settlement
update trading.settlements set state = $2, state_reason = $3 where settlement_id = $1

-- trades_state -- of all trades of a slot; those of the first batches ($5) are settled, void ones have failed
update trading.trades t
set settlement_status = case
    when t.batch < $5 then 'settled'
    when t.batch is null and exists (
        select from trading.settlement_voids v where v.settlement_id = $4 and v.digest in (t.buy_order, t.sell_order)
    ) then 'failed'
    else $3
end
where t.zone = any($1::bigint[]) and t.delivery_start = to_timestamp($2)

-- settled -- all batches are in the mirrored chain
update trading.settlements
set state = 'settled', state_reason = null, settled_at = coalesce(settled_at, clock_timestamp()),
    is_audited = is_audited and batch_sequence is not null
where settlement_id = $1

-- failed -- no further batch will be made
update trading.settlements set state = 'failed', state_reason = $2, is_audited = false where settlement_id = $1

-- removed -- a reorganisation took a batch out of the chain
update trading.settlements set state = 'submitted', state_reason = $2, settled_at = null where settlement_id = $1
