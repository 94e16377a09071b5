-- fold -- ERC-20 balances from Transfer events; the zero address mints and burns and has no balance
insert into blockchain.token_balances as state (chain_id, token, account, balance, updated_block)
select $1::bigint, token, account, sum(amount), max(block_number)
from (
    select token, recipient as account, value as amount, block_number
    from blockchain.erc20_transfers
    where chain_id = $1 and block_number between $2 and $3
      and ($4::bytea[] is null or recipient = any ($4))
    union all
    select token, sender, -value, block_number
    from blockchain.erc20_transfers
    where chain_id = $1 and block_number between $2 and $3
      and ($4::bytea[] is null or sender = any ($4))
) movement
where account <> decode('0000000000000000000000000000000000000000', 'hex')
group by token, account
on conflict (chain_id, token, account) do update
set balance = state.balance + excluded.balance,
    updated_block = greatest(state.updated_block, excluded.updated_block);

-- touched -- accounts of the transfers from one block on
select array_agg(distinct account) from (
    select recipient as account from blockchain.erc20_transfers where chain_id = $1 and block_number >= $2
    union all
    select sender from blockchain.erc20_transfers where chain_id = $1 and block_number >= $2
) movement;

-- clear -- forget accounts
delete from blockchain.token_balances where chain_id = $1 and account = any ($2::bytea[]);
