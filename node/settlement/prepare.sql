-- sequence_state -- the exchange's next number as indexed, and the highest one that a settlement holds
select (select next_sequence from blockchain.exchange_totals where chain_id = $1) as next_on_chain,
    (select max(batch_sequence) from trading.settlements) as last_assigned,
    exists (select from trading.settlements where state = 'submitted') as in_flight

-- orders -- the signed orders of a slot's trades
select o.digest, o.trader, o.zone, o.side, o.energy_wh, o.limit_price_per_kwh, o.min_fill_wh, o.time_in_force, o.source,
    o.expiry, o.lane, o.nonce, o.signature
from trading.orders o
where o.digest in (
    select buy_order from trading.trades where zone = $1 and delivery_start = to_timestamp($2)
    union
    select sell_order from trading.trades where zone = $1 and delivery_start = to_timestamp($2))

-- means -- what each account can be charged for a slot: its vault cash, its mandate, and what that has paid already
with asked as (
    select distinct account from unnest($2::bytea[]) as asked (account)
), charges as (
    select i.account, i.sequence, i.delivery_start, i.block_number, -i.money as paid
    from blockchain.settled_imbalances i join asked using (account)
    where i.chain_id = $1 and i.money < 0
), last_slots as (
    select account, max(delivery_start) as delivery_start from charges group by account
)
select c.block_number, c.block_hash, asked.account, coalesce(b.cash, 0)::numeric as cash,
    -- A slot that is not newer than the last charged one shares what is left of that one's budget.
    coalesce(m.budget_per_slot - coalesce((
        select sum(c.paid) from charges c, last_slots l
        where c.account = asked.account and l.account = asked.account and l.delivery_start >= to_timestamp($3)
          and c.sequence >= (
              select min(f.sequence) from charges f
              where f.account = asked.account and f.delivery_start = l.delivery_start)
    ), 0), 0)::numeric as slot_left,
    coalesce(m.budget - coalesce((
        select sum(c.paid) from charges c where c.account = asked.account and c.block_number >= m.updated_block
    ), 0), 0)::numeric as budget_left
from asked
join blockchain.cursors c on c.chain_id = $1 and c.stream = 'main'
left join blockchain.account_balances b on b.chain_id = $1 and b.account = asked.account
left join blockchain.mandates m
    on m.chain_id = $1 and m.account = asked.account and m.expiry >= to_timestamp($3)

-- forget_charges -- caps of an attempt that failed
delete from trading.settlement_charges where settlement_id = $1

-- record_charge -- what an account owed and the cap it had
insert into trading.settlement_charges (settlement_id, account, owed, cap, as_of_block, as_of_hash)
values ($1, $2, $3, $4, $5, $6)

-- submit -- the batch and its number
update trading.settlements
set state = 'submitted', state_reason = null, batch_sequence = $2, batch = $3
where settlement_id = $1
