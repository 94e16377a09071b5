-- known -- by which statements each projection's state was made
select name, digest from blockchain.projection_versions where chain_id = $1;

-- made -- a projection's state is made by these statements
insert into blockchain.projection_versions (chain_id, name, digest) values ($1, $2, $3)
on conflict (chain_id, name) do update set digest = excluded.digest, made_at = clock_timestamp();

-- forget -- projections that there are no more; their tables stay
delete from blockchain.projection_versions where chain_id = $1 and name <> all ($2::text[]);

-- standing -- how far is indexed
select block_number from blockchain.cursors where chain_id = $1 and stream = 'main';

-- late -- events whose history is still being read
select distinct fact_table from blockchain.sources where chain_id = $1 and next_block is not null;
