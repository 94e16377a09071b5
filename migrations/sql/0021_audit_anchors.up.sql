-- Which entry of each chained log was put on chain on which market day.
create table if not exists audit.anchors (
    log       text not null check (log in ('audit.audit_logs', 'trading.events')),
    day       date not null,
    sequence  bigint not null check (sequence > 0),
    hash      blockchain.evm_hash not null,
    outbox_id bigint not null references wallet.outbox (id),
    asked_at  timestamptz not null default clock_timestamp(),
    primary key (log, day),
    unique (log, sequence)
);
comment on table audit.anchors is 'One entry of each chained log for each market day, whose hash stands on chain from then on';
comment on column audit.anchors.day is 'Market day, UTC';
comment on column audit.anchors.outbox_id is 'The transaction that says so: an attestation of no registers';
