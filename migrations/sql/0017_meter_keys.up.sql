create table telemetry.meter_keys (
    meter_id   bigint not null references telemetry.meters,
    key        blockchain.evm_address not null,
    until      timestamptz not null,
    revoked_at timestamptz not null default clock_timestamp(),
    revoked_by blockchain.evm_address not null,
    primary key (meter_id, key)
);
comment on table telemetry.meter_keys is
    'Keys that sign for a meter no more, for ever; the one that signs is telemetry.meters.key unless it stands here too';
comment on column telemetry.meter_keys.until is 'Market time';
call identity.protect('telemetry.meter_keys',
    'meter_id in (select m.meter_id from telemetry.meters m where m.owner = identity.acting_account())');
