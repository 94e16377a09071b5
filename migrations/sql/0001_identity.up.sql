create schema if not exists identity;

create table if not exists identity.users (
    id             uuid primary key default gen_random_uuid(),
    wallet_address varchar(42) unique,
    wallet         blockchain.evm_address unique,
    email          varchar(255) unique,
    role           varchar(20) not null default 'trader'
                   check (role in ('super_admin', 'owner', 'admin', 'manager', 'viewer', 'installer', 'trader', 'auditor')),
    kyc_status     varchar(20) not null default 'pending'
                   check (kyc_status in ('pending', 'approved', 'rejected', 'expired')),
    created_at     timestamptz not null default current_timestamp,
    updated_at     timestamptz not null default current_timestamp
);
comment on column identity.users.wallet_address is 'EIP-55 form of wallet, kept for people and for queries by text';

create table if not exists identity.sign_in_nonces (
    nonce      text primary key check (length(nonce) >= 17),
    browser_key_hash bytea not null,
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz not null
);
comment on table identity.sign_in_nonces is 'EIP-4361 nonces; deleted on the first attempt to use them, whatever its outcome';

create table if not exists identity.sessions (
    id         uuid primary key default gen_random_uuid(),
    user_id    uuid not null references identity.users (id),
    token_hash bytea not null unique,
    user_agent text,
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz not null,
    revoked_at timestamptz
);
create index if not exists sessions_user on identity.sessions (user_id, created_at desc);
