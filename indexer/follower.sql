-- sources -- what the follower keeps
select source, start_block from blockchain.follower_sources where chain_id = $1 and stream = $2;

-- keep_source -- from now on
insert into blockchain.follower_sources (chain_id, stream, source, start_block) values ($1, $2, $3, $4)
on conflict (chain_id, stream, source) do update set start_block = excluded.start_block;

-- drop_sources -- what is not wanted any more; what is kept of it stays
delete from blockchain.follower_sources where chain_id = $1 and stream = $2 and source <> all ($3::text[]);

-- begin -- the follower's cursor, before its first block or back to before a new source's
insert into blockchain.cursors (chain_id, stream, block_number, block_hash)
values ($1, $2, $3, '')
on conflict (chain_id, stream) do update
set block_number = least(cursors.block_number, excluded.block_number), block_hash = '', updated_at = clock_timestamp();

-- cursor -- how far the follower is
select block_number from blockchain.cursors where chain_id = $1 and stream = $2;

-- following -- indexed blocks after one
select number, hash, parent_hash, transaction_count, extract(epoch from "timestamp")::bigint as time
from blockchain.blocks
where chain_id = $1 and number > $2
order by number
limit $3;

-- hold -- the blocks as they are now; a reorganisation waits until we are done
select number, hash from blockchain.blocks
where chain_id = $1 and number between $2 and $3
order by number
for key share;

-- move -- the follower's cursor, unless a reorganisation or a new source has taken it back
update blockchain.cursors
set block_number = $4, block_hash = $5, updated_at = clock_timestamp()
where chain_id = $1 and stream = $2 and block_number = $3;

-- lock -- one follower of a kind: held until the connection ends
select pg_try_advisory_lock(hashtextextended('gridtrace.' || $2, $1));

-- forget -- some sources
delete from blockchain.follower_sources where chain_id = $1 and stream = $2 and source = any ($3::text[]);
