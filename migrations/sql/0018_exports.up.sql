create table identity.exports (
    id           uuid primary key default gen_random_uuid(),
    user_id      uuid not null references identity.users (id) on delete cascade,
    account      blockchain.evm_address not null,
    role         text not null,
    dataset      text not null,
    format       text not null check (format in ('csv', 'ndjson', 'parquet')),
    filters      jsonb not null,
    chain_id     bigint not null,
    block_number bigint not null,
    block_hash   bytea not null,
    state        text not null default 'queued' check (state in ('queued', 'running', 'done', 'failed', 'expired')),
    attempts     integer not null default 0,
    rows         bigint,
    size_bytes   bigint,
    sha256       bytea,
    fault_code   text,
    fault        text,
    created_at   timestamptz not null default clock_timestamp(),
    finished_at  timestamptz,
    expires_at   timestamptz
);
create index exports_user on identity.exports (user_id, created_at desc);
create index exports_open on identity.exports (created_at) where state in ('queued', 'running');
comment on table identity.exports is 'Files asked for over the API; whoever holds the advisory lock of a job writes it';
comment on column identity.exports.role is 'Of the one who asked, with which the file is written';
comment on column identity.exports.block_number is 'The block of the mirror that the file is of';
call identity.protect('identity.exports', 'user_id = identity.acting_user()');

create table identity.webhooks (
    id            uuid primary key default gen_random_uuid(),
    user_id       uuid not null references identity.users (id) on delete cascade,
    url           text not null,
    events        text[],
    secret        bytea not null,
    chain_id      bigint not null,
    state         text not null default 'active' check (state in ('active', 'suspended')),
    failures      integer not null default 0,
    next_try_at   timestamptz not null default clock_timestamp(),
    failing_since timestamptz,
    created_at    timestamptz not null default clock_timestamp()
);
create index webhooks_user on identity.webhooks (user_id, created_at desc);
comment on table identity.webhooks is 'Receivers of the chain''s events; how far each has got stands in blockchain.streams';
comment on column identity.webhooks.secret is 'Signs the messages; sealed';
comment on column identity.webhooks.events is 'Events that are sent, all where null';
call identity.protect('identity.webhooks', 'user_id = identity.acting_user()');

create table identity.webhook_deliveries (
    delivery_id bigint generated always as identity primary key,
    webhook_id  uuid not null references identity.webhooks (id) on delete cascade,
    message_id  text not null,
    status      integer,
    fault       text,
    duration_ms integer not null,
    tried_at    timestamptz not null default clock_timestamp()
);
create index webhook_deliveries_webhook on identity.webhook_deliveries (webhook_id, delivery_id desc);
comment on table identity.webhook_deliveries is 'The newest tries of each webhook, with what the receiver answered';
call identity.protect('identity.webhook_deliveries',
    'webhook_id in (select w.id from identity.webhooks w where w.user_id = identity.acting_user())');
