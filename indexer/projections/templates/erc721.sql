-- fold -- who owns each token of an ERC-721 collection: the recipient of its last Transfer; nobody after a burn
with moved as (
    select distinct on (emitter, {token_id}) emitter as token, {token_id} as token_id, {recipient} as owner,
           block_number
    from blockchain.{transfer}
    where chain_id = $1 and block_number between $2 and $3
      and ($4::text[] is null
           or ({token_id} = any (array(select split_part(k, ':', 2)::numeric from unnest($4::text[]) k))
               and encode(emitter, 'hex') || ':' || {token_id} = any ($4)))
    order by emitter, {token_id}, block_number desc, log_index desc
),
burned as (
    delete from blockchain.token_owners state
    using moved
    where state.chain_id = $1 and state.token = moved.token and state.token_id = moved.token_id
      and moved.owner = decode('0000000000000000000000000000000000000000', 'hex')
)
insert into blockchain.token_owners as state (chain_id, token, token_id, owner, updated_block)
select $1::bigint, token, token_id, owner, block_number
from moved
where owner <> decode('0000000000000000000000000000000000000000', 'hex')
on conflict (chain_id, token, token_id) do update
set owner = excluded.owner, updated_block = excluded.updated_block;

-- touched -- tokens moved from one block on, each behind its collection
select array_agg(distinct encode(emitter, 'hex') || ':' || {token_id})
from blockchain.{transfer}
where chain_id = $1 and block_number >= $2;

-- clear -- forget tokens
delete from blockchain.token_owners as state
using unnest($2::text[]) k
where state.chain_id = $1 and state.token = decode(split_part(k, ':', 1), 'hex')
  and state.token_id = split_part(k, ':', 2)::numeric;

-- index -- a token's history
create index if not exists {index} on blockchain.{transfer} ({token_id}, block_number);
