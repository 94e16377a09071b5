-- mandate -- the account's imbalance mandate and what was charged since it was set
select budget_per_slot, budget, expiry, nonce,
    coalesce((
        select -sum(money) from blockchain.settled_imbalances as charged
        where charged.chain_id = $1 and charged.account = $2 and charged.money < 0
          and charged.block_number >= mandate.updated_block
    ), 0) as charged
from blockchain.mandates as mandate
where chain_id = $1 and account = $2;
