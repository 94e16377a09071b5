-- fold -- ERC-20 balances from Transfer events; the zero address mints and burns and has no balance
insert into blockchain.token_balances as state (chain_id, token, account, balance, updated_block)
select $1::bigint, token, account, sum(amount), max(block_number)
from (
    select emitter as token, {recipient} as account, {value} as amount, block_number
    from blockchain.{transfer}
    where chain_id = $1 and block_number between $2 and $3
      and ($4::bytea[] is null
           or ({recipient} = any (array(select substr(k, 21) from unnest($4::bytea[]) k))
               and emitter || {recipient} = any ($4)))
    union all
    select emitter, {sender}, -{value}, block_number
    from blockchain.{transfer}
    where chain_id = $1 and block_number between $2 and $3
      and ($4::bytea[] is null
           or ({sender} = any (array(select substr(k, 21) from unnest($4::bytea[]) k))
               and emitter || {sender} = any ($4)))
) movement
where account <> decode('0000000000000000000000000000000000000000', 'hex')
group by token, account
on conflict (chain_id, token, account) do update
set balance = state.balance + excluded.balance,
    updated_block = greatest(state.updated_block, excluded.updated_block);

-- touched -- accounts of the transfers from one block on, each behind its token
select array_agg(distinct key) from (
    select emitter || {recipient} as key from blockchain.{transfer} where chain_id = $1 and block_number >= $2
    union all
    select emitter || {sender} from blockchain.{transfer} where chain_id = $1 and block_number >= $2
) movement;

-- clear -- forget accounts
delete from blockchain.token_balances as state
using unnest($2::bytea[]) k
where state.chain_id = $1 and state.token = substr(k, 1, 20) and state.account = substr(k, 21);

-- stage -- where a batch's sums wait to be merged: emptied by every commit, and of what another token left
create temporary table if not exists token_movements
    (token bytea not null, account bytea not null, amount numeric not null, block_number bigint not null)
on commit delete rows;
delete from pg_temp.token_movements;

-- merge -- the sums of a batch; arguments: chain id
merge into blockchain.token_balances as state
using pg_temp.token_movements as moved
    on state.chain_id = $1 and state.token = moved.token and state.account = moved.account
when matched then update
    set balance = state.balance + moved.amount, updated_block = greatest(state.updated_block, moved.block_number)
when not matched then insert (chain_id, token, account, balance, updated_block)
    values ($1, moved.token, moved.account, moved.amount, moved.block_number);
