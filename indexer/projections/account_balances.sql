-- fold -- vault accounts: what came in, settled and went out; the last withdrawal request; the nonce floor
with moved as (
    select account, block_number, cash, energy_wh, 0::bigint as nonce
    from blockchain.fact_settlement_exchange_deposited
    where chain_id = $1 and block_number between $2 and $3 and ($4::bytea[] is null or account = any ($4))
    union all
    select account, block_number, -cash, -energy_wh, 0
    from blockchain.fact_settlement_exchange_withdrawal_executed
    where chain_id = $1 and block_number between $2 and $3 and ($4::bytea[] is null or account = any ($4))
    union all
    select trader, block_number,
           case side when 0 then -money else money end,
           case side when 0 then delivered_wh else -delivered_wh end,
           0
    from blockchain.settled_orders
    where chain_id = $1 and block_number between $2 and $3 and ($4::bytea[] is null or trader = any ($4))
    union all
    select account, block_number, money, 0, 0
    from blockchain.settled_imbalances
    where chain_id = $1 and block_number between $2 and $3 and ($4::bytea[] is null or account = any ($4))
    union all
    select account, block_number, 0, 0, min_nonce
    from blockchain.fact_settlement_exchange_nonce_raised
    where chain_id = $1 and block_number between $2 and $3 and ($4::bytea[] is null or account = any ($4))
    union all
    select account, block_number, 0, 0, 0
    from blockchain.fact_settlement_exchange_withdrawal_requested
    where chain_id = $1 and block_number between $2 and $3 and ($4::bytea[] is null or account = any ($4))
),
totals as (
    select account, sum(cash) as cash, sum(energy_wh) as energy_wh, max(nonce) as nonce,
           max(block_number) as block_number
    from moved
    group by account
),
-- A request replaces the one before it; executing one leaves none.
requests as (
    select distinct on (account) account, cash, energy_wh
    from (
        select account, block_number, log_index, cash, energy_wh
        from blockchain.fact_settlement_exchange_withdrawal_requested
        where chain_id = $1 and block_number between $2 and $3
          and ($4::bytea[] is null or account = any ($4))
        union all
        select account, block_number, log_index, 0, 0
        from blockchain.fact_settlement_exchange_withdrawal_executed
        where chain_id = $1 and block_number between $2 and $3
          and ($4::bytea[] is null or account = any ($4))
    ) request
    order by account, block_number desc, log_index desc
)
insert into blockchain.account_balances as state
    (chain_id, account, cash, energy_wh, pending_cash, pending_energy_wh, nonce, updated_block)
select $1::bigint, totals.account, totals.cash, totals.energy_wh,
       coalesce(requests.cash, before.pending_cash, 0),
       coalesce(requests.energy_wh, before.pending_energy_wh, 0),
       totals.nonce, totals.block_number
from totals
left join requests on requests.account = totals.account
left join blockchain.account_balances before
    on before.chain_id = $1 and before.account = totals.account
on conflict (chain_id, account) do update
set cash = state.cash + excluded.cash,
    energy_wh = state.energy_wh + excluded.energy_wh,
    pending_cash = excluded.pending_cash,
    pending_energy_wh = excluded.pending_energy_wh,
    nonce = greatest(state.nonce, excluded.nonce),
    updated_block = greatest(state.updated_block, excluded.updated_block);

-- touched -- accounts with any event from one block on
select array_agg(distinct account) from (
    select account from blockchain.fact_settlement_exchange_deposited
    where chain_id = $1 and block_number >= $2
    union all
    select account from blockchain.fact_settlement_exchange_withdrawal_requested
    where chain_id = $1 and block_number >= $2
    union all
    select account from blockchain.fact_settlement_exchange_withdrawal_executed
    where chain_id = $1 and block_number >= $2
    union all
    select account from blockchain.fact_settlement_exchange_nonce_raised
    where chain_id = $1 and block_number >= $2
    union all
    select trader from blockchain.settled_orders where chain_id = $1 and block_number >= $2
    union all
    select account from blockchain.settled_imbalances where chain_id = $1 and block_number >= $2
) event;

-- clear -- forget accounts
delete from blockchain.account_balances where chain_id = $1 and account = any ($2::bytea[]);
