-- blocks -- newest first
select number, hash, parent_hash, "timestamp", transaction_count, gas_used
from blockchain.blocks where chain_id = $1 and ($2::bigint is null or number < $2)
  and ($4::bigint is null or number <= $4)
order by number desc
limit $3;

-- account -- balances and clearance as indexed
select
    coalesce(vault.cash, 0) as cash, coalesce(vault.energy_wh, 0) as energy_wh, coalesce(vault.nonce, 0) as nonce,
    cleared.kyc_until as cleared_until,
    array_remove(array[
        case when cleared.flags & 1 = 1 then 'producer' end,
        case when cleared.flags & 2 = 2 then 'consumer' end,
        case when cleared.flags & 4 = 4 then 'frozen' end
    ], null) as roles
from (select) as one
left join blockchain.account_balances as vault on vault.chain_id = $1 and vault.account = $2
left join blockchain.participants as cleared on cleared.chain_id = $1 and cleared.account = $2;

-- settled_orders -- an account's newest settled orders
select block_number, transaction_hash, sequence, delivery_start, case side when 0 then 'buy' else 'sell' end as side,
    zone, fill_wh, money, delivered_wh
from blockchain.settled_orders where chain_id = $1 and trader = $2 and ($4::bigint is null or block_number <= $4)
order by delivery_start desc, block_number desc, log_index, entry
limit $3;

-- settled_imbalances -- an account's newest imbalance charges and credits
select block_number, transaction_hash, sequence, delivery_start, money
from blockchain.settled_imbalances where chain_id = $1 and account = $2 and ($4::bigint is null or block_number <= $4)
order by block_number desc, log_index, entry
limit $3;

-- contracts -- indexed contracts with their ABIs
select name, address, abi from blockchain.smart_contracts where chain_id = $1 and abi is not null order by name;

-- block_hash -- of an indexed block
select hash from blockchain.blocks where chain_id = $1 and number = $2;
