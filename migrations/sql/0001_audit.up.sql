create schema if not exists audit;

create table if not exists audit.slot_checks (
    zone           bigint not null,
    delivery_start timestamptz not null,
    version        integer not null,
    differences    integer not null,
    findings       jsonb not null default '[]',
    block_number   bigint not null,
    checked_at     timestamptz not null default clock_timestamp(),
    primary key (zone, delivery_start, version)
);
comment on table audit.slot_checks is 'The auditor''s last recomputation of each settled slot, from signed readings to the ledger';
