-- block_at -- the newest kept block up to one
select number, hash, extract(epoch from "timestamp")::bigint as time
from blockchain.blocks where chain_id = $1 and number <= $2 order by number desc limit 1;

-- balance_at -- a vault account after a block, from the events up to it
with moved as (
    select block_number, cash, energy_wh, 0::bigint as nonce
    from blockchain.fact_settlement_exchange_deposited
    where chain_id = $1 and account = $2 and block_number <= $3
    union all
    select block_number, -cash, -energy_wh, 0
    from blockchain.fact_settlement_exchange_withdrawal_executed
    where chain_id = $1 and account = $2 and block_number <= $3
    union all
    select block_number, case side when 0 then -money else money end,
           case side when 0 then delivered_wh else -delivered_wh end, 0
    from blockchain.settled_orders
    where chain_id = $1 and trader = $2 and block_number <= $3
    union all
    select block_number, money, 0, 0
    from blockchain.settled_imbalances
    where chain_id = $1 and account = $2 and block_number <= $3
    union all
    select block_number, 0, 0, min_nonce
    from blockchain.fact_settlement_exchange_nonce_raised
    where chain_id = $1 and account = $2 and block_number <= $3
),
request as (
    -- A request replaces the one before it; executing one leaves none.
    select block_number, cash, energy_wh
    from (
        select block_number, log_index, cash, energy_wh
        from blockchain.fact_settlement_exchange_withdrawal_requested
        where chain_id = $1 and account = $2 and block_number <= $3
        union all
        select block_number, log_index, 0, 0
        from blockchain.fact_settlement_exchange_withdrawal_executed
        where chain_id = $1 and account = $2 and block_number <= $3
    ) asked
    order by block_number desc, log_index desc
    limit 1
)
select coalesce(sum(cash), 0) as cash, coalesce(sum(energy_wh), 0) as energy_wh,
       coalesce((select cash from request), 0) as pending_cash,
       coalesce((select energy_wh from request), 0) as pending_energy_wh,
       coalesce(max(nonce), 0) as nonce,
       greatest(max(block_number), (select block_number from request)) as updated_block, $3::bigint as block
from moved;

-- token_balance_at -- of the payment token after a block
select coalesce(sum(case when "to" = $3 then value else 0 end) - sum(case when "from" = $3 then value else 0 end), 0)
from blockchain.fact_payment_token_transfer
where chain_id = $1 and emitter = $2 and block_number <= $4 and ("to" = $3 or "from" = $3);

-- participant_at -- clearance of an account after a block
select account, least(kyc_until, 253402300799)::bigint as kyc_until, flags, country, block_number as updated_block
from blockchain.fact_participant_registry_participant_set
where chain_id = $1 and account = $2 and block_number <= $3
order by block_number desc, log_index desc
limit 1;

-- mandate_at -- an account's mandate after a block, and what had been charged since it was set
select m.account, least(m.budget_per_slot, 281474976710655) as budget_per_slot, m.budget, m.expiry::bigint as expiry,
       m.nonce, m.block_number as updated_block,
       coalesce((
           select -sum(i.money) from blockchain.settled_imbalances i
           where i.chain_id = $1 and i.account = $2 and i.money < 0 and i.block_number <= $3
             and (i.block_number, i.log_index) > (m.block_number, m.log_index)
       ), 0) as charged
from blockchain.fact_settlement_exchange_mandate_set m
where m.chain_id = $1 and m.account = $2 and m.block_number <= $3
order by m.block_number desc, m.log_index desc
limit 1;
