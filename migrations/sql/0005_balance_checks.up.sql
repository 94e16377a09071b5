create table if not exists blockchain.balance_checks (
    check_id     bigint generated always as identity primary key,
    chain_id     bigint not null,
    scope        text not null check (scope in ('sample', 'whole')),
    outcome      text not null check (outcome in ('equal', 'different', 'impossible')),
    block_number bigint not null,
    block_hash   blockchain.evm_hash not null,
    finality     text not null check (finality in ('finalized', 'latest')),
    compared     bigint not null,
    differences  bigint not null,
    notes        jsonb not null default '[]',
    started_at   timestamptz not null,
    checked_at   timestamptz not null default clock_timestamp()
);
create index if not exists balance_checks_newest on blockchain.balance_checks (chain_id, scope, check_id desc);
comment on table blockchain.balance_checks is
    'Each time that mirrored balances were compared with what the contracts themselves say at one block';
comment on column blockchain.balance_checks.compared is 'Values: an account of the vault has three, of a token one';
comment on column blockchain.balance_checks.block_number is
    'The finalised block; accounts that moved after it are compared at the mirror''s own head';
comment on column blockchain.balance_checks.notes is 'What could not be compared, and why';

create table if not exists blockchain.balance_differences (
    check_id     bigint not null references blockchain.balance_checks (check_id) on delete cascade,
    position     integer not null,
    contract     blockchain.evm_address not null,
    account      blockchain.evm_address,
    quantity     text not null,
    mirrored     numeric(78, 0) not null,
    on_chain     numeric(78, 0) not null,
    difference   numeric(79, 0) generated always as (mirrored - on_chain) stored,
    block_number bigint not null,
    primary key (check_id, position)
);
create index if not exists balance_differences_account on blockchain.balance_differences (account);
comment on column blockchain.balance_differences.account is 'Null: the token''s total supply, against the sum of its balances';
comment on column blockchain.balance_differences.block_number is 'At which both values hold';
