-- attested_meters -- which of these meters have a register on chain
select meter_id from blockchain.registers
where chain_id = $1 and meter_id = any($2::bigint[]) and slot_end is not null
