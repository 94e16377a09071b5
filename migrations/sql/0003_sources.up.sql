-- Progress of each event of each contract, so that what is added later is indexed by itself.
create table if not exists blockchain.sources (
    chain_id    bigint not null,
    fact_table  text   not null,
    emitter     bytea  not null,
    start_block bigint not null,
    next_block  bigint,
    contract    text,
    abi         jsonb,
    added_at    timestamptz not null default clock_timestamp(),
    primary key (chain_id, fact_table, emitter)
);
comment on table blockchain.sources is 'What is indexed: one row per event of a contract';
comment on column blockchain.sources.emitter is 'The contract; empty for all contracts that a factory makes';
comment on column blockchain.sources.contract is 'The contract''s name in the manifest';
comment on column blockchain.sources.abi is 'The event''s entry in the contract''s ABI';
comment on column blockchain.sources.next_block is
    'First block not yet indexed; null where the event follows the chain''s cursor';

-- Everything indexed so far follows the cursor: every event table that some contract of the manifest writes.
insert into blockchain.sources (chain_id, fact_table, emitter, start_block)
select distinct c.chain_id, t.tablename, c.address, c.start_block
from blockchain.smart_contracts c
join blockchain.cursors k on k.chain_id = c.chain_id and k.stream = 'main'
join pg_tables t on t.schemaname = 'blockchain'
cross join lateral (
    select 'fact_' || lower(regexp_replace(regexp_replace(c.name, '([A-Z]+)([A-Z][a-z])', '\1_\2', 'g'),
                                           '([a-z0-9])([A-Z])', '\1_\2', 'g')) || '_' as prefix
) named
where starts_with(t.tablename, named.prefix)
on conflict do nothing;

create table if not exists blockchain.token_owners (
    chain_id bigint not null,
    token    blockchain.evm_address not null,
    token_id numeric(78, 0) not null,
    owner    blockchain.evm_address not null,
    updated_block bigint not null,
    primary key (chain_id, token, token_id)
);
create index if not exists token_owners_owner on blockchain.token_owners (chain_id, token, owner);
comment on table blockchain.token_owners is 'ERC-721: who owns each token; burned ones have no row';

create table if not exists blockchain.token_id_balances (
    chain_id bigint not null,
    token    blockchain.evm_address not null,
    token_id numeric(78, 0) not null,
    account  blockchain.evm_address not null,
    balance  numeric(78, 0) not null,
    updated_block bigint not null,
    primary key (chain_id, token, token_id, account)
);
create index if not exists token_id_balances_account on blockchain.token_id_balances (chain_id, account);
comment on table blockchain.token_id_balances is 'ERC-1155: balances by token id';


create or replace view blockchain.token_holders as
    select chain_id, token, null::numeric(78, 0) as token_id, account, balance, updated_block
    from blockchain.token_balances where balance > 0
    union all
    select chain_id, token, null, owner, count(*)::numeric(78, 0), max(updated_block)
    from blockchain.token_owners group by chain_id, token, owner
    union all
    select chain_id, token, token_id, account, balance, updated_block
    from blockchain.token_id_balances where balance > 0;
comment on view blockchain.token_holders is
    'Who holds how much of each token: ERC-20 units, count of ERC-721 tokens, ERC-1155 units by token id';

create or replace view blockchain.token_supplies as
    select chain_id, token, null::numeric(78, 0) as token_id, sum(balance) as supply,
           count(*) filter (where balance > 0) as holders
    from blockchain.token_balances group by chain_id, token
    union all
    select chain_id, token, null, count(*), count(distinct owner)
    from blockchain.token_owners group by chain_id, token
    union all
    select chain_id, token, token_id, sum(balance), count(*) filter (where balance > 0)
    from blockchain.token_id_balances group by chain_id, token, token_id;
comment on view blockchain.token_supplies is
    'Minted less burned, and the count of holders: the sum over all balances is what the zero address has given out';
