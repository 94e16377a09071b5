-- fold -- the last MandateSet of each account; the exchange keeps at most 2^48 - 1 per slot
insert into blockchain.mandates as state
    (chain_id, account, budget_per_slot, budget, expiry, nonce, updated_block)
select distinct on (account)
    chain_id, account, least(budget_per_slot, 281474976710655), budget, to_timestamp(expiry), nonce,
    block_number
from blockchain.fact_settlement_exchange_mandate_set
where chain_id = $1 and block_number between $2 and $3 and ($4::bytea[] is null or account = any ($4))
order by account, block_number desc, log_index desc
on conflict (chain_id, account) do update
set budget_per_slot = excluded.budget_per_slot, budget = excluded.budget, expiry = excluded.expiry,
    nonce = excluded.nonce, updated_block = excluded.updated_block;

-- touched -- accounts with a mandate from one block on
select array_agg(distinct account) from blockchain.fact_settlement_exchange_mandate_set
where chain_id = $1 and block_number >= $2;

-- clear -- forget accounts
delete from blockchain.mandates where chain_id = $1 and account = any ($2::bytea[]);
