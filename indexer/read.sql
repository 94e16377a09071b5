-- head -- the last indexed block
select c.block_number as number, c.block_hash as hash, extract(epoch from b."timestamp")::bigint as time,
       c.finalized_number as finalized, c.safe_number as safe, c.head_number as head, c.reorg_epoch, c.events_indexed,
       c.state, c.state_reason
from blockchain.cursors c
left join blockchain.blocks b on b.chain_id = c.chain_id and b.number = c.block_number
where c.chain_id = $1 and c.stream = 'main';

-- balance -- a vault account
select coalesce(a.cash, 0) as cash, coalesce(a.energy_wh, 0) as energy_wh,
       coalesce(a.pending_cash, 0) as pending_cash, coalesce(a.pending_energy_wh, 0) as pending_energy_wh,
       coalesce(a.nonce, 0) as nonce, a.updated_block, coalesce(c.block_number, -1) as block
from (select $1::bigint as chain_id) asked
left join blockchain.cursors c on c.chain_id = asked.chain_id and c.stream = 'main'
left join blockchain.account_balances a on a.chain_id = asked.chain_id and a.account = $2;

-- participant -- a registered account
select account, extract(epoch from kyc_until)::bigint as kyc_until, flags, country, updated_block
from blockchain.participants
where chain_id = $1 and account = $2;

-- meter -- a registered meter
select meter_id, owner, zone, active, key, plant_id, updated_block
from blockchain.meters
where chain_id = $1 and meter_id = $2;

-- meters -- registered meters
select meter_id, owner, zone, active, key, plant_id, updated_block
from blockchain.meters
where chain_id = $1 and ($2::bigint is null or zone = $2) and ($3::bytea is null or owner = $3)
order by meter_id;

-- register -- a meter's production register
select meter_id, attested_wh, issued_wh, extract(epoch from slot_end)::bigint as slot_end, updated_block
from blockchain.registers
where chain_id = $1 and meter_id = $2;

-- mandate -- an account's mandate and what was charged since it was set
select m.account, m.budget_per_slot, m.budget, extract(epoch from m.expiry)::bigint as expiry, m.nonce,
       m.updated_block,
       coalesce((
           select -sum(i.money) from blockchain.settled_imbalances i
           where i.chain_id = m.chain_id and i.account = m.account and i.money < 0
             and (i.block_number, i.log_index) > (
                 select max(block_number), max(log_index) filter (where block_number = m.updated_block)
                 from blockchain.fact_settlement_exchange_mandate_set f
                 where f.chain_id = m.chain_id and f.account = m.account
                   and f.block_number = m.updated_block
             )
       ), 0) as charged
from blockchain.mandates m
where m.chain_id = $1 and m.account = $2;

-- token_balance -- of an ERC-20 token
select balance from blockchain.token_balances where chain_id = $1 and token = $2 and account = $3;

-- fees -- held by the exchange
select fees from blockchain.exchange_totals where chain_id = $1;

-- next_sequence -- of the next batch
select next_sequence from blockchain.exchange_totals where chain_id = $1;

-- settled_batch -- by its sequence number
select f.sequence, f.delivery_start, f.version, f.fee, f.block_number, f.log_index, f.transaction_hash,
       extract(epoch from f.block_time)::bigint as block_time,
       f.block_number <= c.finalized_number as final
from blockchain.fact_settlement_exchange_orders_settled f
join blockchain.cursors c on c.chain_id = f.chain_id and c.stream = 'main'
where f.chain_id = $1 and f.sequence = $2;

-- settled_orders -- of a slot
select sequence, extract(epoch from delivery_start)::bigint as delivery_start, version, trader, side, zone,
       lane, nonce, fill_wh, money, delivered_wh, block_number, transaction_hash
from blockchain.settled_orders
where chain_id = $1 and delivery_start = to_timestamp($2::bigint) and ($3::bigint is null or zone = $3)
order by block_number, log_index, entry;

-- settled_imbalances -- of a slot
select sequence, extract(epoch from delivery_start)::bigint as delivery_start, version, account, money,
       block_number, transaction_hash
from blockchain.settled_imbalances
where chain_id = $1 and delivery_start = to_timestamp($2::bigint)
order by block_number, log_index, entry;

-- attested_registers -- as of the end of a slot, by batches with a root; signed readings come one by one
select meter_id, register_wh, zone, extract(epoch from slot_end)::bigint as slot_end, readings_root,
       block_number, transaction_hash
from blockchain.attested_registers
where chain_id = $1 and slot_end = to_timestamp($2::bigint) and zone = $3 and readings_root is not null
order by block_number, log_index, entry;

-- transaction_block -- where a transaction of ours was mined
select block_number from blockchain.fact_settlement_exchange_orders_settled
where chain_id = $1 and transaction_hash = $2
union
select block_number from blockchain.fact_production_ledger_registers_attested
where chain_id = $1 and transaction_hash = $2
union
select block_number from blockchain.fact_production_ledger_production_minted
where chain_id = $1 and transaction_hash = $2
limit 1;

-- contracts -- indexed contracts
select name, address from blockchain.smart_contracts where chain_id = $1 order by name;
