create index if not exists idx_users_email on identity.users (email);
create index if not exists idx_users_wallet on identity.users (wallet_address);

create table if not exists identity.user_profiles (
    user_id           uuid primary key references identity.users (id) on delete cascade,
    full_name         varchar(255),
    country_code      char(2),
    phone             varchar(20),
    document_type     varchar(20) check (document_type in ('passport', 'id_card', 'residence_permit', 'company_register')),
    document_number   varchar(50),
    verification_date timestamptz,
    phone_sealed      bytea,
    document_number_sealed bytea,
    roles             text[] not null default '{}',
    applied_at        timestamptz not null default clock_timestamp(),
    decided_by        blockchain.evm_address,
    decision_reason   text,
    cleared_until     timestamptz,
    outbox_id         bigint
);
comment on column identity.user_profiles.phone is 'Its last digits, to recognise it; the whole is sealed';
comment on column identity.user_profiles.document_number is 'Its last characters, to recognise it; the whole is sealed';
comment on column identity.user_profiles.phone_sealed is 'Encrypted with a key that is not in the database';
create index if not exists user_profiles_pending on identity.user_profiles (applied_at) where verification_date is null;
