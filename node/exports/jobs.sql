-- lock_user -- one new job of a user at a time
select pg_advisory_xact_lock(hashtextextended('gridtrace.exports.' || $1::uuid, 0));

-- open -- how many jobs a user has under way
select count(*) from identity.exports where user_id = $1 and state in ('queued', 'running');

-- add -- a job
insert into identity.exports (user_id, account, role, dataset, format, filters, chain_id, block_number, block_hash)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
returning *;

-- job -- one
select * from identity.exports where id = $1;

-- jobs -- a user's newest
select * from identity.exports where user_id = $1 order by created_at desc limit $2;

-- remove -- a job
delete from identity.exports where id = $1 returning id, format;

-- waiting -- jobs that may be nobody's work, oldest first
select id from identity.exports where state in ('queued', 'running') order by created_at limit 20;

-- hold -- the right to write one file, kept until it is given back or the connection ends
select pg_try_advisory_lock(hashtextextended('gridtrace.export.' || $1::uuid, 0));

-- release -- gives the right back
select pg_advisory_unlock(hashtextextended('gridtrace.export.' || $1::uuid, 0));

-- begin -- a job is worked on; none where somebody finished it meanwhile
update identity.exports set state = 'running', attempts = attempts + 1, rows = 0
where id = $1 and state in ('queued', 'running')
returning *;

-- done -- the file is there
update identity.exports
set state = 'done', rows = $2, size_bytes = $3, sha256 = $4, block_number = $5, block_hash = $6,
    finished_at = clock_timestamp(), expires_at = clock_timestamp() + make_interval(secs => $7)
where id = $1 and state = 'running';

-- fail -- there will be no file
update identity.exports
set state = 'failed', fault_code = $2, fault = $3, finished_at = clock_timestamp(),
    expires_at = clock_timestamp() + make_interval(secs => $4)
where id = $1 and state = 'running';

-- expire -- files whose time is over
update identity.exports set state = 'expired'
where state in ('done', 'failed') and expires_at < clock_timestamp()
returning id, format;

-- gone -- jobs of which there should be no file
select id from unnest($1::uuid[]) as present (id)
where not exists (select from identity.exports e where e.id = present.id and e.state in ('running', 'done'));

-- hash -- of a block of the mirror
select hash from blockchain.blocks where chain_id = $1 and number = $2;
