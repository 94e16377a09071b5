-- begin -- a new stream, from the mirror's head on
insert into blockchain.streams (chain_id, name, block_number, block_hash)
select chain_id, $2, block_number, block_hash from blockchain.cursors where chain_id = $1 and stream = 'main'
on conflict do nothing;

-- standing -- how far is delivered, and whether that block is still in the mirror
select s.block_number as number, s.block_hash as hash, c.finalized_number as finalized, c.reorg_epoch as epoch,
       b.hash is not distinct from s.block_hash as is_standing
from blockchain.streams s
join blockchain.cursors c on c.chain_id = s.chain_id and c.stream = 'main'
left join blockchain.blocks b on b.chain_id = s.chain_id and b.number = s.block_number
where s.chain_id = $1 and s.name = $2;

-- ancestor -- the newest delivered block that is still in the mirror
select d.number, d.hash
from blockchain.stream_blocks d
join blockchain.blocks b on b.chain_id = d.chain_id and b.number = d.number and b.hash = d.hash
where d.chain_id = $1 and d.name = $2
order by d.number desc
limit 1;

-- following -- blocks of the mirror after one
select number, hash, extract(epoch from "timestamp")::bigint as time
from blockchain.blocks where chain_id = $1 and number > $2 order by number limit $3;

-- tables -- of events
select c.relname as name
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'blockchain' and c.relkind in ('r', 'p') and c.relname like 'fact\_%'
order by c.relname;

-- move -- delivered up to a block
update blockchain.streams set block_number = $3, block_hash = $4, delivered_at = clock_timestamp()
where chain_id = $1 and name = $2;

-- keep -- a delivered block that may be orphaned
insert into blockchain.stream_blocks (chain_id, name, number, hash) values ($1, $2, $3, $4)
on conflict (chain_id, name, number) do update set hash = excluded.hash;

-- forget -- delivered blocks that are orphaned, or final but for the newest of them
delete from blockchain.stream_blocks
where chain_id = $1 and name = $2 and (number > $3 or number < least($3, $4));

-- lock -- one sender of a stream: held until the connection ends
select pg_try_advisory_lock(hashtextextended('gridtrace.stream.' || $2, $1));

-- hash -- of an indexed block
select hash from blockchain.blocks where chain_id = $1 and number = $2;
