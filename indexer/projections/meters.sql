-- fold -- the last MeterSet of each meter
insert into blockchain.meters as state
    (chain_id, meter_id, owner, zone, active, key, plant_id, updated_block)
select distinct on (meter_id) chain_id, meter_id, owner, zone, active, key, plant_id, block_number
from blockchain.fact_participant_registry_meter_set
where chain_id = $1 and block_number between $2 and $3 and ($4::bigint[] is null or meter_id = any ($4))
order by meter_id, block_number desc, log_index desc
on conflict (chain_id, meter_id) do update
set owner = excluded.owner, zone = excluded.zone, active = excluded.active, key = excluded.key,
    plant_id = excluded.plant_id, updated_block = excluded.updated_block;

-- touched -- meters set from one block on
select array_agg(distinct meter_id) from blockchain.fact_participant_registry_meter_set
where chain_id = $1 and block_number >= $2;

-- clear -- forget meters
delete from blockchain.meters where chain_id = $1 and meter_id = any ($2::bigint[]);
