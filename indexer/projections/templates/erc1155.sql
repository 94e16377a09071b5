-- fold -- ERC-1155 balances from single and batch transfers; the zero address mints and burns and has no balance
insert into blockchain.token_id_balances as state (chain_id, token, token_id, account, balance, updated_block)
select $1::bigint, token, token_id, account, sum(amount), max(block_number)
from (
    select emitter as token, {single_id} as token_id, {single_recipient} as account, {single_value} as amount,
           block_number
    from blockchain.{single}
    where chain_id = $1 and block_number between $2 and $3
      and ($4::text[] is null or {single_recipient} = any (
          array(select decode(split_part(k, ':', 3), 'hex') from unnest($4::text[]) k)))
    union all
    select emitter, {single_id}, {single_sender}, -{single_value}, block_number
    from blockchain.{single}
    where chain_id = $1 and block_number between $2 and $3
      and ($4::text[] is null or {single_sender} = any (
          array(select decode(split_part(k, ':', 3), 'hex') from unnest($4::text[]) k)))
    union all
    select emitter, part.id, {batch_recipient}, part.value, block_number
    from blockchain.{batch}
    cross join lateral unnest({batch_ids}, {batch_values}) as part (id, value)
    where chain_id = $1 and block_number between $2 and $3
      and cardinality({batch_ids}) = cardinality({batch_values})
      and ($4::text[] is null or {batch_recipient} = any (
          array(select decode(split_part(k, ':', 3), 'hex') from unnest($4::text[]) k)))
    union all
    select emitter, part.id, {batch_sender}, -part.value, block_number
    from blockchain.{batch}
    cross join lateral unnest({batch_ids}, {batch_values}) as part (id, value)
    where chain_id = $1 and block_number between $2 and $3
      and cardinality({batch_ids}) = cardinality({batch_values})
      and ($4::text[] is null or {batch_sender} = any (
          array(select decode(split_part(k, ':', 3), 'hex') from unnest($4::text[]) k)))
) movement
where account <> decode('0000000000000000000000000000000000000000', 'hex')
  and ($4::text[] is null
       or encode(token, 'hex') || ':' || token_id || ':' || encode(account, 'hex') = any ($4))
group by token, token_id, account
on conflict (chain_id, token, token_id, account) do update
set balance = state.balance + excluded.balance,
    updated_block = greatest(state.updated_block, excluded.updated_block);

-- touched -- token, id and account of the transfers from one block on
select array_agg(distinct encode(token, 'hex') || ':' || token_id || ':' || encode(account, 'hex')) from (
    select emitter as token, {single_id} as token_id, {single_recipient} as account
    from blockchain.{single} where chain_id = $1 and block_number >= $2
    union all
    select emitter, {single_id}, {single_sender}
    from blockchain.{single} where chain_id = $1 and block_number >= $2
    union all
    select emitter, id, {batch_recipient}
    from blockchain.{batch} cross join lateral unnest({batch_ids}) id
    where chain_id = $1 and block_number >= $2
    union all
    select emitter, id, {batch_sender}
    from blockchain.{batch} cross join lateral unnest({batch_ids}) id
    where chain_id = $1 and block_number >= $2
) movement;

-- clear -- forget balances
delete from blockchain.token_id_balances as state
using unnest($2::text[]) k
where state.chain_id = $1 and state.token = decode(split_part(k, ':', 1), 'hex')
  and state.token_id = split_part(k, ':', 2)::numeric and state.account = decode(split_part(k, ':', 3), 'hex');
