-- What is kept of a chain beside its contracts' events. Rows go with their blocks.
create table if not exists blockchain.follower_sources (
    chain_id    bigint not null,
    stream      text   not null,
    source      text   not null,
    start_block bigint not null,
    primary key (chain_id, stream, source)
);
comment on table blockchain.follower_sources is
    'What each follower of the mirror keeps: a source that is new takes it back to its first block';

create table if not exists blockchain.transactions (
    chain_id          bigint not null,
    block_number      bigint not null,
    transaction_index integer not null,
    hash              blockchain.evm_hash not null,
    block_time        timestamptz not null,
    sender            blockchain.evm_address not null,
    recipient         blockchain.evm_address,
    value             numeric(78, 0) not null,
    nonce             numeric(20, 0) not null,
    type              smallint not null,
    gas_limit         bigint not null,
    gas_price         numeric(78, 0),
    max_fee_per_gas   numeric(78, 0),
    max_priority_fee_per_gas numeric(78, 0),
    input             bytea not null,
    primary key (chain_id, block_number, transaction_index),
    foreign key (chain_id, block_number) references blockchain.blocks (chain_id, number) on delete cascade
);
create index if not exists transactions_hash on blockchain.transactions (hash);
create index if not exists transactions_sender on blockchain.transactions (sender, block_number desc);
create index if not exists transactions_recipient on blockchain.transactions (recipient, block_number desc);
comment on column blockchain.transactions.recipient is 'Null: the transaction creates a contract';
comment on column blockchain.transactions.gas_price is 'Paid per gas, in wei, as the node gives it for a mined transaction';

create table if not exists blockchain.receipts (
    chain_id          bigint not null,
    block_number      bigint not null,
    transaction_index integer not null,
    transaction_hash  blockchain.evm_hash not null,
    block_time        timestamptz not null,
    status            smallint,
    gas_used          bigint not null,
    cumulative_gas_used bigint not null,
    effective_gas_price numeric(78, 0),
    contract_address  blockchain.evm_address,
    logs              integer not null,
    primary key (chain_id, block_number, transaction_index),
    foreign key (chain_id, block_number) references blockchain.blocks (chain_id, number) on delete cascade
);
create index if not exists receipts_hash on blockchain.receipts (transaction_hash);
comment on column blockchain.receipts.status is '1 for success, 0 for reverted; null before Byzantium';
comment on column blockchain.receipts.contract_address is 'What the transaction created';

create table if not exists blockchain.native_transfers (
    chain_id          bigint not null,
    block_number      bigint not null,
    transaction_index integer not null,
    trace_address     integer[] not null,
    transaction_hash  blockchain.evm_hash not null,
    block_time        timestamptz not null,
    kind              text not null check (kind in ('call', 'create', 'create2', 'selfdestruct')),
    sender            blockchain.evm_address not null,
    recipient         blockchain.evm_address not null,
    value             numeric(78, 0) not null check (value > 0),
    primary key (chain_id, block_number, transaction_index, trace_address),
    foreign key (chain_id, block_number) references blockchain.blocks (chain_id, number) on delete cascade
);
create index if not exists native_transfers_sender on blockchain.native_transfers (sender, block_number desc);
create index if not exists native_transfers_recipient on blockchain.native_transfers (recipient, block_number desc);
comment on table blockchain.native_transfers is 'The chain''s own coin that moved, in wei; what was reverted is not here';
comment on column blockchain.native_transfers.trace_address is
    'Empty for what the transaction itself carries; else the call inside it, which only traces tell';

create table if not exists blockchain.call_traces (
    chain_id          bigint not null,
    block_number      bigint not null,
    transaction_index integer not null,
    trace_address     integer[] not null,
    transaction_hash  blockchain.evm_hash not null,
    block_time        timestamptz not null,
    kind              text not null,
    sender            blockchain.evm_address not null,
    recipient         blockchain.evm_address,
    value             numeric(78, 0) not null,
    gas               bigint not null,
    gas_used          bigint not null,
    input             bytea not null,
    output            bytea not null,
    error             text,
    reverted          boolean not null,
    primary key (chain_id, block_number, transaction_index, trace_address),
    foreign key (chain_id, block_number) references blockchain.blocks (chain_id, number) on delete cascade
);
create index if not exists call_traces_sender on blockchain.call_traces (sender, block_number desc);
create index if not exists call_traces_recipient on blockchain.call_traces (recipient, block_number desc);
comment on column blockchain.call_traces.trace_address is 'Where in the tree of calls: {} the outermost, {0} its first, {0,2} the third inside that';
comment on column blockchain.call_traces.gas is 'As the node''s tracer counts it: with the transaction''s own costs in the outermost call, or without';
comment on column blockchain.call_traces.reverted is 'The call or one around it failed: it changed nothing';

create table if not exists blockchain.chain_intervals (
    chain_id bigint not null,
    block_number bigint not null,
    log_index bigint not null,
    transaction_hash bytea not null,
    block_time timestamptz not null,
    emitter bytea not null,
    "hash" bytea not null,
    primary key (chain_id, block_number, log_index)
);
comment on table blockchain.chain_intervals is
    'Every so many blocks one, where a manifest says block_interval: a fact without an event, after all of its block';

-- State folded from events of the shipped contracts.
create table if not exists blockchain.staking_pools (
    chain_id      bigint not null,
    pool_id       bigint not null,
    apy_bps       bigint not null,
    lock_seconds  bigint not null,
    min_stake     numeric(78, 0) not null,
    cap           numeric(78, 0) not null,
    open          boolean not null,
    staked        numeric(78, 0) not null,
    funded        numeric(78, 0) not null,
    rewards       numeric(78, 0) not null,
    updated_block bigint not null,
    primary key (chain_id, pool_id)
);
comment on column blockchain.staking_pools.funded is 'Put into the reserve less what was taken out of it again';
comment on column blockchain.staking_pools.rewards is 'Paid out, and compounded into stakes';

create table if not exists blockchain.staking_positions (
    chain_id      bigint not null,
    pool_id       bigint not null,
    account       blockchain.evm_address not null,
    amount        numeric(78, 0) not null,
    start         timestamptz,
    paid_until    timestamptz,
    unlock_at     timestamptz,
    rewards       numeric(78, 0) not null,
    compounded    numeric(78, 0) not null,
    updated_block bigint not null,
    primary key (chain_id, pool_id, account)
);
create index if not exists staking_positions_account on blockchain.staking_positions (account);
comment on table blockchain.staking_positions is 'Of those that are gone the amount is zero, and the times are null';
comment on column blockchain.staking_positions.start is 'When interest on today''s amount began; moved back when a stake is added to';

create table if not exists blockchain.escrow_deals (
    chain_id       bigint not null,
    deal_id        blockchain.evm_hash not null,
    payer          blockchain.evm_address not null,
    payee          blockchain.evm_address not null,
    arbiter        blockchain.evm_address not null,
    amount         numeric(78, 0) not null,
    deliver_by     timestamptz not null,
    review_seconds bigint not null,
    arbitration_seconds bigint not null,
    silence_bps    bigint not null,
    terms_hash     bytea not null,
    subject        bytea not null,
    state          text not null check (state in ('open', 'delivered', 'disputed', 'released', 'refunded', 'resolved')),
    since          timestamptz not null,
    payee_share    numeric(78, 0) not null,
    payer_paid     boolean not null,
    payee_paid     boolean not null,
    updated_block  bigint not null,
    primary key (chain_id, deal_id)
);
create index if not exists escrow_deals_payer on blockchain.escrow_deals (payer);
create index if not exists escrow_deals_payee on blockchain.escrow_deals (payee);
comment on column blockchain.escrow_deals.since is 'When it was opened, declared delivered, or disputed, whichever was last';

create table if not exists blockchain.certificates (
    chain_id      bigint not null,
    code          numeric(78, 0) not null,
    owner         blockchain.evm_address not null,
    issuer        bigint not null,
    state         text not null check (state in ('live', 'retired', 'revoked')),
    reason        bytea,
    updated_block bigint not null,
    primary key (chain_id, code)
);
create index if not exists certificates_owner on blockchain.certificates (owner, state);
comment on column blockchain.certificates.reason is 'What it was retired for, or revoked for';

create table if not exists blockchain.carbon_vintages (
    chain_id      bigint not null,
    id            numeric(78, 0) not null,
    project       numeric(20, 0),
    vintage       bigint,
    cap_g         numeric(20, 0),
    document      bytea,
    issued_g      numeric(78, 0) not null,
    retired_g     numeric(78, 0) not null,
    updated_block bigint not null,
    primary key (chain_id, id)
);
comment on table blockchain.carbon_vintages is 'Credits of a project and year, in grams of CO2; who holds them is in token_id_balances';

create table if not exists blockchain.proposal_votes (
    chain_id         bigint not null,
    block_number     bigint not null,
    log_index        bigint not null,
    transaction_hash blockchain.evm_hash not null,
    block_time       timestamptz not null,
    proposal_id      numeric(78, 0) not null,
    voter            blockchain.evm_address not null,
    support          smallint not null,
    weight           numeric(78, 0) not null,
    reason           text not null,
    primary key (chain_id, block_number, log_index)
);
create index if not exists proposal_votes_proposal on blockchain.proposal_votes (proposal_id);
create index if not exists proposal_votes_voter on blockchain.proposal_votes (voter);
comment on column blockchain.proposal_votes.support is '0 against, 1 in favour, 2 abstained';

create table if not exists blockchain.proposals (
    chain_id      bigint not null,
    proposal_id   numeric(78, 0) not null,
    proposer      blockchain.evm_address not null,
    description   text not null,
    vote_start    numeric(78, 0) not null,
    vote_end      numeric(78, 0) not null,
    step          text not null check (step in ('created', 'queued', 'executed', 'canceled')),
    eta           timestamptz,
    against       numeric(78, 0) not null,
    in_favour     numeric(78, 0) not null,
    abstained     numeric(78, 0) not null,
    updated_block bigint not null,
    primary key (chain_id, proposal_id)
);
comment on column blockchain.proposals.vote_start is 'By the voting token''s own clock';
comment on column blockchain.proposals.step is
    'The last that an event told of; whether a vote is open, won or lost depends on the time and the quorum, too';

alter table blockchain.attested_registers alter column readings_root drop not null;
comment on column blockchain.attested_registers.readings_root is
    'Null: attested by a reading whose signature the ledger itself verified; slot_end is that reading''s time';

comment on column blockchain.balance_differences.account is
    'Null: a token''s total supply against the sum of its balances, or state that is no account''s; quantity names it';

-- A reorganisation takes the cursor of every follower back; of the version whose blocks are removed.
create or replace function blockchain.take_followers_back() returns trigger language plpgsql as $$
begin
    execute format(
        'update %I.cursors c
         set block_number = removed.number - 1, block_hash = removed.parent_hash, updated_at = clock_timestamp()
         from (select distinct on (chain_id) chain_id, number, parent_hash from gone order by chain_id, number) removed
         where c.chain_id = removed.chain_id and c.stream <> ''main'' and c.block_number >= removed.number',
        tg_table_schema);
    return null;
end $$;

-- Versions of the mirror side by side: each in a schema of its own, one of them served through views.
create table if not exists blockchain.versions (
    name        text primary key,
    is_live     boolean not null,
    created_at  timestamptz not null default clock_timestamp(),
    switched_at timestamptz
);
create unique index if not exists versions_live on blockchain.versions (is_live) where is_live;
comment on table blockchain.versions is
    'Versions of the mirror, in schemas blockchain_<name>; without any the tables of this schema are the mirror''s own';

create or replace function blockchain.refuse_write() returns trigger language plpgsql as $$
begin
    raise exception 'another version of the mirror is served: %.% is a view', tg_table_schema, tg_table_name
        using hint = 'start the process with --version-name of the version that it is to write';
end $$;
