-- known -- by which handlers the entities were made, and from which sources
select digest from entities.made_by where chain_id = $1;

-- made -- the entities are those of these handlers
insert into entities.made_by (chain_id, digest) values ($1, $2)
on conflict (chain_id) do update set digest = excluded.digest, made_at = clock_timestamp();

-- standing -- how far is indexed
select block_number, finalized_number from blockchain.cursors where chain_id = $1 and stream = 'main';

-- addresses -- the contracts that there are facts of
select address from blockchain.smart_contracts where chain_id = $1 order by address;

-- blocks -- in a range
select number, hash, extract(epoch from "timestamp")::bigint as time from blockchain.blocks
where chain_id = $1 and number between $2 and $3;
