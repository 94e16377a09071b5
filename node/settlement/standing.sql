-- accounts -- each account of a slot as of the indexed block: vault, clearance, cash held for other slots, mandate left
with asked as (
    select distinct account from unnest($2::bytea[]) as asked (account)
)
select c.block_number, c.block_hash, asked.account,
    coalesce(b.cash, 0)::numeric as cash,
    coalesce(b.energy_wh, 0)::numeric as energy_wh,
    coalesce(b.nonce, 0) as min_nonce,
    coalesce(case when p.flags & 4 = 0 then extract(epoch from p.kyc_until)::bigint end, 0) as cleared_until,
    coalesce(own.last_slot, 0) as last_slot,
    coalesce(own.last_side, 0) as last_side,
    coalesce(own.filled_wh, 0) as filled_wh,
    coalesce(held.cash, 0)::numeric as locked,
    -- A slot that is not newer than the last charged one shares what is left of that one's budget.
    coalesce(m.budget_per_slot - coalesce(in_slot.paid, 0), 0)::numeric as slot_left,
    coalesce(m.budget - coalesce(in_all.paid, 0), 0)::numeric as budget_left
from asked
join blockchain.cursors c on c.chain_id = $1 and c.stream = 'main'
left join blockchain.account_balances b on b.chain_id = $1 and b.account = asked.account
left join blockchain.participants p on p.chain_id = $1 and p.account = asked.account
left join blockchain.mandates m
    on m.chain_id = $1 and m.account = asked.account and m.expiry >= to_timestamp($3)
-- The account's own lane: all fills of its last slot there, those of trading mandates (lane 65536) among them.
left join lateral (
    select extract(epoch from s.delivery_start)::bigint as last_slot, max(s.side)::integer as last_side,
        sum(s.fill_wh)::bigint as filled_wh
    from blockchain.settled_orders s
    where s.chain_id = $1 and s.trader = asked.account and s.lane in (0, 65536)
    group by s.delivery_start order by s.delivery_start desc limit 1
) own on true
left join lateral (
    select sum(h.cash) as cash
    from trading.held_cash($1, asked.account) h
    where h.delivery_start <> to_timestamp($3) or h.zone <> all($4::bigint[])
) held on true
left join lateral (
    select i.delivery_start
    from blockchain.settled_imbalances i
    where i.chain_id = $1 and i.account = asked.account and i.money < 0
    order by i.delivery_start desc limit 1
) last on last.delivery_start >= to_timestamp($3)
left join lateral (
    select min(i.sequence) as sequence
    from blockchain.settled_imbalances i
    where i.chain_id = $1 and i.account = asked.account and i.money < 0 and i.delivery_start = last.delivery_start
) since on true
left join lateral (
    select sum(-i.money) as paid
    from blockchain.settled_imbalances i
    where i.chain_id = $1 and i.account = asked.account and i.money < 0 and i.sequence >= since.sequence
) in_slot on since.sequence is not null
left join lateral (
    select max(f.log_index) as log_index
    from blockchain.fact_settlement_exchange_mandate_set f
    where f.chain_id = $1 and f.account = asked.account and f.block_number = m.updated_block
) mandate_set on true
left join lateral (
    select sum(-i.money) as paid
    from blockchain.settled_imbalances i
    where i.chain_id = $1 and i.account = asked.account and i.money < 0 and i.block_number >= m.updated_block
      and (i.block_number, i.log_index) > (m.updated_block, coalesce(mandate_set.log_index, -1))
) in_all on true

-- lanes -- the live order of each lane but the accounts' own as of the indexed block, and what of it is filled
select c.block_hash, asked.account, asked.lane, coalesce(live.nonce, 0) as nonce, coalesce(live.filled_wh, 0) as filled_wh
from unnest($2::bytea[], $3::integer[]) as asked (account, lane)
join blockchain.cursors c on c.chain_id = $1 and c.stream = 'main'
left join lateral (
    select s.nonce, sum(s.fill_wh)::bigint as filled_wh
    from blockchain.settled_orders s
    where s.chain_id = $1 and s.trader = asked.account and s.lane = asked.lane and s.lane <> 0
    group by s.nonce order by s.nonce desc limit 1
) live on true
