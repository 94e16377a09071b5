-- known -- sources of a chain
select fact_table, emitter, start_block, next_block from blockchain.sources where chain_id = $1;

-- add -- a source
insert into blockchain.sources (chain_id, fact_table, emitter, start_block, next_block) values ($1, $2, $3, $4, $5);

-- describe -- what each source is; arguments: chain id, and for each source: fact table, emitter, contract, ABI entry
update blockchain.sources s set contract = told.contract, abi = told.abi::jsonb
from unnest($2::text[], $3::bytea[], $4::text[], $5::text[]) as told (fact_table, emitter, contract, abi)
where s.chain_id = $1 and s.fact_table = told.fact_table and s.emitter = told.emitter
  and (s.contract, s.abi) is distinct from (told.contract, told.abi::jsonb);

-- described -- events with fact tables, each once
select distinct on (s.fact_table) s.fact_table, s.contract, s.abi
from blockchain.sources s
where s.chain_id = $1 and s.abi is not null and to_regclass(format('blockchain.%I', s.fact_table)) is not null
order by s.fact_table;

-- stop -- the source is not followed any more from a block on; arguments also: that block
update blockchain.sources set next_block = $4 where chain_id = $1 and fact_table = $2 and emitter = $3;

-- move -- sources are indexed up to before a block; null: they follow the cursor
update blockchain.sources s set next_block = $4
from unnest($2::text[], $3::bytea[]) as moved (fact_table, emitter)
where s.chain_id = $1 and s.fact_table = moved.fact_table and s.emitter = moved.emitter;

-- restart -- nothing is indexed of the chain: all its sources follow the cursor
update blockchain.sources set next_block = null where chain_id = $1;

-- rewind -- the chain was replaced after a block
update blockchain.sources set next_block = $2 + 1 where chain_id = $1 and next_block > $2 + 1;

-- tables -- fact tables with events of a chain
select distinct s.fact_table
from blockchain.sources s
where s.chain_id = $1 and to_regclass(format('blockchain.%I', s.fact_table)) is not null;

-- now_decoded -- logs kept because their event was not known, which is known now
delete from blockchain.undecoded_logs
where chain_id = $1 and reason = $2 and (address, topics[1]) in (
    select address, topic from unnest($3::bytea[], $4::bytea[]) as known (address, topic)
);

-- missing -- which of these blocks are not there
select number from unnest($2::bigint[]) as wanted (number)
where not exists (select from blockchain.blocks b where b.chain_id = $1 and b.number = wanted.number);
