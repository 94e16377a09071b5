create table identity.agents (
    account       blockchain.evm_address not null,
    agent         blockchain.evm_address not null,
    zones         bigint[] not null check (cardinality(zones) > 0),
    max_wh_per_slot bigint not null check (max_wh_per_slot >= 0),
    max_buy_price_per_kwh  bigint not null,
    min_sell_price_per_kwh bigint not null,
    expiry        timestamptz not null,
    nonce         bigint not null,
    signature     bytea not null check (octet_length(signature) = 65),
    granted_at    timestamptz not null default clock_timestamp(),
    revoked_at    timestamptz,
    primary key (account, agent),
    check (account <> agent)
);
create index agents_agent on identity.agents (agent);
comment on table identity.agents is 'Wallets that may act for an account, within limits that the account has signed (EIP-712)';
comment on column identity.agents.nonce is 'A grant takes the place of one with a lower nonce, revoked ones included';
call identity.protect('identity.agents', 'account = identity.acting_account()');
create policy of_agent on identity.agents for select to gridtrace_app
    using (agent = (select u.wallet from identity.users u where u.id = identity.acting_user()));

create table trading.prepared_orders (
    digest         blockchain.evm_hash primary key,
    account        blockchain.evm_address not null,
    agent          blockchain.evm_address not null,
    zone           bigint not null,
    delivery_start timestamptz not null,
    energy_wh      bigint not null check (energy_wh > 0),
    terms          jsonb not null,
    prepared_at    timestamptz not null default clock_timestamp()
);
create index prepared_orders_account on trading.prepared_orders (account, delivery_start);
comment on table trading.prepared_orders is 'Orders that an agent proposes and the account has yet to sign';
call identity.protect('trading.prepared_orders', 'account = identity.acting_account()');
