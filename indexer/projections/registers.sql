-- fold -- production registers: last attested (corrections included), and up to where energy was issued
with readings as (
    select meter_id, block_number, log_index, entry, register_wh, slot_end
    from blockchain.attested_registers
    where chain_id = $1 and block_number between $2 and $3 and ($4::bigint[] is null or meter_id = any ($4))
),
corrections as (
    select meter_id, block_number, log_index, least(to_wh, 9223372036854775807)::bigint as register_wh
    from blockchain.fact_production_ledger_register_corrected
    where chain_id = $1 and block_number between $2 and $3 and ($4::bigint[] is null or meter_id = any ($4))
),
issues as (
    select meter_id, block_number, log_index, least(register_wh, 9223372036854775807)::bigint as register_wh
    from blockchain.fact_production_ledger_production_minted
    where chain_id = $1 and block_number between $2 and $3 and ($4::bigint[] is null or meter_id = any ($4))
),
touched as (
    select meter_id, max(block_number) as block_number
    from (
        select meter_id, block_number from readings
        union all
        select meter_id, block_number from corrections
        union all
        select meter_id, block_number from issues
    ) event
    group by meter_id
),
attested as (
    select distinct on (meter_id) meter_id, register_wh
    from (
        select meter_id, block_number, log_index, entry, register_wh from readings
        union all
        select meter_id, block_number, log_index, 0, register_wh from corrections
    ) event
    order by meter_id, block_number desc, log_index desc, entry desc
),
-- The first attestation is the baseline: nothing is issued for energy before it.
baseline as (
    select distinct on (meter_id) meter_id, register_wh
    from readings
    order by meter_id, block_number, log_index, entry
),
latest as (
    select distinct on (meter_id) meter_id, slot_end
    from readings
    order by meter_id, block_number desc, log_index desc, entry desc
),
lowered as (
    select meter_id, min(register_wh) as register_wh from corrections group by meter_id
),
issued as (
    select distinct on (meter_id) meter_id, register_wh
    from issues
    order by meter_id, block_number desc, log_index desc
)
insert into blockchain.registers as state
    (chain_id, meter_id, attested_wh, issued_wh, slot_end, updated_block)
select $1::bigint, touched.meter_id,
       coalesce(attested.register_wh, before.attested_wh, 0),
       coalesce(
           issued.register_wh,
           least(coalesce(before.issued_wh, baseline.register_wh), lowered.register_wh),
           0
       ),
       coalesce(latest.slot_end, before.slot_end),
       touched.block_number
from touched
left join attested using (meter_id)
left join baseline using (meter_id)
left join latest using (meter_id)
left join lowered using (meter_id)
left join issued using (meter_id)
left join blockchain.registers before on before.chain_id = $1 and before.meter_id = touched.meter_id
on conflict (chain_id, meter_id) do update
set attested_wh = excluded.attested_wh, issued_wh = excluded.issued_wh, slot_end = excluded.slot_end,
    updated_block = excluded.updated_block;

-- touched -- meters with any event from one block on
select array_agg(distinct meter_id) from (
    select meter_id from blockchain.attested_registers where chain_id = $1 and block_number >= $2
    union all
    select meter_id from blockchain.fact_production_ledger_register_corrected
    where chain_id = $1 and block_number >= $2
    union all
    select meter_id from blockchain.fact_production_ledger_production_minted
    where chain_id = $1 and block_number >= $2
) event;

-- clear -- forget meters
delete from blockchain.registers where chain_id = $1 and meter_id = any ($2::bigint[]);
