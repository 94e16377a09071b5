-- balances -- what an account holds in the vault and in the wallet, and what its orders lock
select
    coalesce(vault.cash, 0) as cash,
    coalesce(vault.energy_wh, 0) as energy_wh,
    coalesce(vault.pending_cash, 0) as pending_cash,
    coalesce(vault.pending_energy_wh, 0) as pending_energy_wh,
    coalesce(vault.nonce, 0) as nonce,
    (select coalesce(sum(locked_cash), 0) from trading.orders where trader = $2 and locked_cash > 0) as locked,
    coalesce((
        select balance from blockchain.token_balances where chain_id = $1 and token = $3 and account = $2
    ), 0) as wallet_cash
from (select) as one
left join blockchain.account_balances as vault on vault.chain_id = $1 and vault.account = $2;

-- mandate -- the account's imbalance mandate and what was charged since it was set
select budget_per_slot, budget, expiry, nonce,
    coalesce((
        select -sum(money) from blockchain.settled_imbalances as charged
        where charged.chain_id = $1 and charged.account = $2 and charged.money < 0
          and charged.block_number >= mandate.updated_block
    ), 0) as charged
from blockchain.mandates as mandate
where chain_id = $1 and account = $2;
