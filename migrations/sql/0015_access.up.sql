create table if not exists identity.api_keys (
    id           uuid primary key default gen_random_uuid(),
    user_id      uuid not null references identity.users (id) on delete cascade,
    name         varchar(100) not null,
    key_hash     bytea not null unique check (octet_length(key_hash) = 32),
    scopes       text[] not null check (scopes <@ array['read', 'write', 'operate'] and cardinality(scopes) > 0),
    created_at   timestamptz not null default clock_timestamp(),
    expires_at   timestamptz not null,
    last_used_at timestamptz,
    revoked_at   timestamptz
);
create index if not exists api_keys_user on identity.api_keys (user_id, created_at desc);
comment on table identity.api_keys is 'Keys of programs: only their hashes; orders still need their trader''s signature';
