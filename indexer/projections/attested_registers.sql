-- fold -- entries of RegistersAttested, 12 bytes each, and of ReadingsAttested, 20 bytes each with a time of its own
insert into blockchain.attested_registers
    (chain_id, block_number, log_index, entry, transaction_hash, zone, slot_end, readings_root,
     meter_id, register_wh)
select f.chain_id, f.block_number, f.log_index, n, f.transaction_hash, f.zone,
       to_timestamp(least(f.slot_end, 253402300799)::bigint), f.readings_root,
       ('x' || encode(substr(e, 1, 4), 'hex'))::bit(32)::bigint,
       ('x' || encode(substr(e, 5, 8), 'hex'))::bit(64)::bigint
from blockchain.fact_production_ledger_registers_attested f
cross join generate_series(0, octet_length(f.registers) / 12 - 1) n
cross join lateral (select substr(f.registers, n * 12 + 1, 12) as e) unpacked
where f.chain_id = $1 and f.block_number between $2 and $3
union all
select f.chain_id, f.block_number, f.log_index, n, f.transaction_hash, f.zone,
       to_timestamp(least(('x' || encode(substr(e, 5, 8), 'hex'))::bit(64)::bigint, 253402300799)), null,
       ('x' || encode(substr(e, 1, 4), 'hex'))::bit(32)::bigint,
       ('x' || encode(substr(e, 13, 8), 'hex'))::bit(64)::bigint
from blockchain.fact_production_ledger_readings_attested f
cross join generate_series(0, octet_length(f.readings) / 20 - 1) n
cross join lateral (select substr(f.readings, n * 20 + 1, 20) as e) unpacked
where f.chain_id = $1 and f.block_number between $2 and $3;

-- unfold -- everything from one block on
delete from blockchain.attested_registers where chain_id = $1 and block_number >= $2;
