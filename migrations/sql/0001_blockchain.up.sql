-- The mirrored chain. Fact tables (one per contract event) are created by the indexer from its manifest; what
-- stands here is what every manifest shares, and the state that the shipped projections keep.
create schema if not exists blockchain;

do $$ begin
    create domain blockchain.evm_address as bytea check (octet_length(value) = 20);
exception when duplicate_object then null; end $$;
do $$ begin
    create domain blockchain.evm_hash as bytea check (octet_length(value) = 32);
exception when duplicate_object then null; end $$;

create table if not exists blockchain.blocks (
    chain_id     bigint      not null,
    number       bigint      not null,
    hash         bytea       not null,
    parent_hash  bytea       not null,
    "timestamp"  timestamptz not null,
    logs_bloom   bytea,
    receipts_root bytea,
    transaction_count integer not null default 0,
    gas_used     bigint      not null default 0,
    indexed_at   timestamptz not null default clock_timestamp(),
    primary key (chain_id, number)
);
comment on table blockchain.blocks is 'One row per canonical block seen, from the first indexed block on';

create table if not exists blockchain.cursors (
    chain_id         bigint not null,
    stream           text   not null default 'main',
    block_number     bigint not null,
    block_hash       bytea  not null,
    finalized_number bigint not null default 0,
    safe_number      bigint not null default 0,
    head_number      bigint not null default 0,
    reorg_epoch      bigint not null default 0,
    events_indexed   bigint not null default 0,
    state            text   not null default 'running' check (state in ('running', 'backfilling', 'halted')),
    state_reason     text,
    updated_at       timestamptz not null default clock_timestamp(),
    primary key (chain_id, stream)
);
comment on table blockchain.cursors is 'How far each chain is indexed; moves in the same transaction as the rows';
comment on column blockchain.cursors.head_number is 'The chain''s head when the cursor last moved';
comment on column blockchain.cursors.reorg_epoch is 'Grows by one with every reorg that removed rows';

create table if not exists blockchain.undecoded_logs (
    chain_id     bigint not null,
    block_number bigint not null,
    log_index    integer not null,
    transaction_hash bytea not null,
    address      bytea  not null,
    topics       bytea[] not null,
    data         bytea  not null,
    reason       text   not null,
    primary key (chain_id, block_number, log_index)
);

create table if not exists blockchain.smart_contracts (
    chain_id         bigint not null,
    address          blockchain.evm_address not null,
    contract_address text generated always as ('0x' || encode(address, 'hex')) stored,
    name             text   not null,
    start_block      bigint not null,
    abi              jsonb,
    status           varchar(20) not null default 'active' check (status in ('active', 'paused', 'retired')),
    deployed_at      timestamptz,
    primary key (chain_id, address)
);

-- State kept by projections. Every row can be recomputed from the fact tables.
create table if not exists blockchain.account_balances (
    chain_id        bigint not null,
    account         blockchain.evm_address not null,
    account_id      text generated always as ('0x' || encode(account, 'hex')) stored,
    cash            numeric(78, 0) not null default 0,
    energy_wh       numeric(78, 0) not null default 0,
    pending_cash    numeric(78, 0) not null default 0,
    pending_energy_wh numeric(78, 0) not null default 0,
    nonce           bigint not null default 0,
    total_balance   numeric(78, 0) generated always as (cash) stored,
    energy_balances jsonb generated always as
        (('{"vault_wh":"' || energy_wh || '","pending_wh":"' || pending_energy_wh || '"}')::jsonb) stored,
    updated_block   bigint not null,
    primary key (chain_id, account)
);
create index if not exists account_balances_account_id on blockchain.account_balances (account_id);
comment on table blockchain.account_balances is
    'Vault accounts of the settlement exchange: cash in payment-token units, energy in Wh, order nonce floor';
comment on column blockchain.account_balances.pending_cash is 'Requested withdrawal, not yet executed; still part of cash';

create table if not exists blockchain.exchange_totals (
    chain_id      bigint primary key,
    fees          numeric(78, 0) not null default 0,
    next_sequence bigint not null default 0,
    updated_block bigint not null
);

create table if not exists blockchain.token_balances (
    chain_id bigint not null,
    token    blockchain.evm_address not null,
    account  blockchain.evm_address not null,
    balance  numeric(78, 0) not null,
    updated_block bigint not null,
    primary key (chain_id, token, account)
);

create table if not exists blockchain.participants (
    chain_id  bigint not null,
    account   blockchain.evm_address not null,
    kyc_until timestamptz not null,
    flags     smallint not null,
    country   smallint not null,
    updated_block bigint not null,
    primary key (chain_id, account)
);
create or replace view blockchain.registered_producers as
    select chain_id, account, '0x' || encode(account, 'hex') as producer_id, kyc_until, country, updated_block
    from blockchain.participants where flags & 1 = 1;
create or replace view blockchain.registered_consumers as
    select chain_id, account, '0x' || encode(account, 'hex') as consumer_id, kyc_until, country, updated_block
    from blockchain.participants where flags & 2 = 2;

create table if not exists blockchain.meters (
    chain_id bigint not null,
    meter_id bigint not null,
    owner    blockchain.evm_address not null,
    zone     bigint not null,
    active   boolean not null,
    key      blockchain.evm_address not null,
    plant_id bytea not null,
    updated_block bigint not null,
    primary key (chain_id, meter_id)
);

create table if not exists blockchain.mandates (
    chain_id        bigint not null,
    account         blockchain.evm_address not null,
    budget_per_slot numeric(78, 0) not null,
    budget          numeric(78, 0) not null,
    expiry          timestamptz not null,
    nonce           bigint not null,
    updated_block   bigint not null,
    primary key (chain_id, account)
);
comment on column blockchain.mandates.budget is 'As signed; what has been charged since is in settled_imbalances';

create table if not exists blockchain.registers (
    chain_id    bigint not null,
    meter_id    bigint not null,
    attested_wh bigint not null default 0,
    issued_wh   bigint not null default 0,
    slot_end    timestamptz,
    updated_block bigint not null,
    primary key (chain_id, meter_id)
);

-- Unpacked from the packed payloads of OrdersSettled, ImbalanceSettled and RegistersAttested.
create table if not exists blockchain.settled_orders (
    chain_id     bigint not null,
    block_number bigint not null,
    log_index    integer not null,
    entry        integer not null,
    transaction_hash bytea not null,
    sequence     bigint not null,
    delivery_start timestamptz not null,
    version      integer not null,
    trader       blockchain.evm_address not null,
    side         smallint not null,
    zone         bigint not null,
    lane         integer not null,
    nonce        bigint not null,
    fill_wh      bigint not null,
    money        numeric(78, 0) not null,
    delivered_wh bigint not null,
    primary key (chain_id, block_number, log_index, entry)
);
create index if not exists settled_orders_slot on blockchain.settled_orders (delivery_start, zone);
create index if not exists settled_orders_trader on blockchain.settled_orders (trader, delivery_start);
comment on column blockchain.settled_orders.money is 'Cash units: paid by a buyer (side 0), received by a seller (side 1)';

create table if not exists blockchain.settled_imbalances (
    chain_id     bigint not null,
    block_number bigint not null,
    log_index    integer not null,
    entry        integer not null,
    transaction_hash bytea not null,
    sequence     bigint not null,
    delivery_start timestamptz not null,
    version      integer not null,
    account      blockchain.evm_address not null,
    money        numeric(78, 0) not null,
    primary key (chain_id, block_number, log_index, entry)
);
create index if not exists settled_imbalances_slot on blockchain.settled_imbalances (delivery_start);
create index if not exists settled_imbalances_account on blockchain.settled_imbalances (account, block_number);

create table if not exists blockchain.attested_registers (
    chain_id     bigint not null,
    block_number bigint not null,
    log_index    integer not null,
    entry        integer not null,
    transaction_hash bytea not null,
    zone         bigint not null,
    slot_end     timestamptz not null,
    readings_root bytea not null,
    meter_id     bigint not null,
    register_wh  bigint not null,
    primary key (chain_id, block_number, log_index, entry)
);
create index if not exists attested_registers_meter on blockchain.attested_registers (meter_id, slot_end desc);
create index if not exists attested_registers_slot on blockchain.attested_registers (slot_end, zone);
