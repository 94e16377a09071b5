create schema if not exists wallet;

create table if not exists wallet.outbox (
    id          bigint generated always as identity primary key,
    key         text not null unique,
    kind        text not null,
    sender      blockchain.evm_address not null,
    target      blockchain.evm_address not null,
    calldata    bytea not null,
    gas_limit   bigint,
    state       text not null default 'queued'
                check (state in ('queued', 'signed', 'sent', 'mined', 'final', 'failed')),
    nonce       bigint,
    raw_transaction bytea,
    transaction_hash bytea,
    replaced_hashes bytea[] not null default '{}',
    block_number bigint,
    gas_used    bigint,
    attempts    integer not null default 0,
    error       text,
    created_at  timestamptz not null default clock_timestamp(),
    sent_at     timestamptz,
    mined_at    timestamptz
);
create index if not exists outbox_open on wallet.outbox (sender, id)
    where state in ('queued', 'signed', 'sent', 'mined') or (state = 'failed' and raw_transaction is not null);
create index if not exists outbox_hash on wallet.outbox (transaction_hash);
comment on table wallet.outbox is 'Transactions to send, written in the same database transaction as their cause';
comment on column wallet.outbox.key is 'Names the effect; a second request for the same effect finds the first';
comment on column wallet.outbox.raw_transaction is 'Signed and stored before it is first sent, so that a restart sends the same bytes again';
comment on column wallet.outbox.replaced_hashes is 'Earlier signings of the same nonce with lower fees: any of them may still be mined';
comment on index wallet.outbox_open is 'A failed row keeps its raw transaction until its block is final: a reorganisation may undo the failure';
