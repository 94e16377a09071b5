-- standing -- the mirror's block, and the newest finalised one that it has
select c.block_number as number, c.block_hash as hash, c.state,
       f.number as finalized_number, f.hash as finalized_hash
from blockchain.cursors c
left join lateral (
    select number, hash from blockchain.blocks
    where chain_id = c.chain_id and number <= least(c.finalized_number, c.block_number)
    order by number desc limit 1
) f on true
where c.chain_id = $1 and c.stream = 'main';

-- vault -- mirrored vault accounts from one account on
select account, cash, energy_wh, nonce, updated_block
from blockchain.account_balances
where chain_id = $1 and account > $2
order by account
limit $3;

-- tokens -- mirrored token balances from one holder on
select token, account, balance, updated_block
from blockchain.token_balances
where chain_id = $1 and (token, account) > ($2, $3)
order by token, account
limit $4;

-- some_token -- the first token after an address, else the first of all
(select token from blockchain.token_balances where chain_id = $1 and token > $2 order by token limit 1)
union all
(select token from blockchain.token_balances where chain_id = $1 order by token limit 1)
limit 1;

-- supplies -- what the balances of each token sum up to, from one token on
select token, sum(balance) as balance, max(updated_block) as updated_block
from blockchain.token_balances
where chain_id = $1 and token > $2
group by token
order by token
limit $3;

-- histories -- from which block on some contracts are mirrored
select address, start_block from blockchain.smart_contracts
where chain_id = $1 and address = any ($2::bytea[])
order by address;

-- exchange -- the contract whose vault is mirrored
select address from blockchain.smart_contracts where chain_id = $1 and name = 'SettlementExchange';

-- keep_check -- the result of one comparison
insert into blockchain.balance_checks
    (chain_id, scope, outcome, block_number, block_hash, finality, compared, differences, notes, started_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
returning check_id;

-- keep_difference -- one difference of a comparison
insert into blockchain.balance_differences
    (check_id, position, contract, account, quantity, mirrored, on_chain, block_number)
values ($1, $2, $3, $4, $5, $6, $7, $8);

-- forget_samples -- old samples that found nothing
delete from blockchain.balance_checks
where chain_id = $1 and scope = 'sample' and outcome <> 'different' and checked_at < now() - interval '1 day';
