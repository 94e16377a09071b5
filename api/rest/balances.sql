-- now -- all of an account ($1 chain, $2 account, $3 payment token): vault, wallet, what is locked, the imbalance mandate
select coalesce(vault.cash, 0) as cash, coalesce(vault.energy_wh, 0) as energy_wh,
    coalesce(vault.pending_cash, 0) as pending_cash, coalesce(vault.pending_energy_wh, 0) as pending_energy_wh,
    coalesce(vault.nonce, 0) as vault_nonce,
    coalesce((
        select balance from blockchain.token_balances where chain_id = $1 and token = $3 and account = $2
    ), 0) as wallet_cash,
    (select coalesce(sum(held.cash), 0) from trading.held_cash($1, $2) held) as locked,
    mandate.budget_per_slot, mandate.budget, mandate.expiry, mandate.nonce,
    case when mandate.account is not null then coalesce((
        select -sum(money) from blockchain.settled_imbalances as charged
        where charged.chain_id = $1 and charged.account = $2 and charged.money < 0
          and charged.block_number >= mandate.updated_block
    ), 0) end as charged
from (select) as one
left join blockchain.account_balances as vault on vault.chain_id = $1 and vault.account = $2
left join blockchain.mandates as mandate on mandate.chain_id = $1 and mandate.account = $2;
