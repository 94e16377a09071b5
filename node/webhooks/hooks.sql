-- lock_user -- one new webhook of a user at a time
select pg_advisory_xact_lock(hashtextextended('gridtrace.webhooks.' || $1::uuid, 0));

-- count -- of a user's webhooks
select count(*) from identity.webhooks where user_id = $1;

-- add -- a webhook; its name is known before, because its secret is sealed to it
insert into identity.webhooks (id, user_id, url, events, secret, chain_id) values ($1, $2, $3, $4, $5, $6)
returning id, user_id, url, events, state, failures, next_try_at, failing_since, created_at;

-- hooks -- a user's, the newest first
select id, user_id, url, events, state, failures, next_try_at, failing_since, created_at
from identity.webhooks where user_id = $1 order by created_at desc;

-- hook -- one
select id, user_id, url, events, state, failures, next_try_at, failing_since, created_at
from identity.webhooks where id = $1;

-- remove -- a webhook, with its tries
delete from identity.webhooks where id = $1;

-- resume -- a webhook is tried again now
update identity.webhooks
set state = 'active', failures = 0, failing_since = null, next_try_at = clock_timestamp() where id = $1
returning id, user_id, url, events, state, failures, next_try_at, failing_since, created_at;

-- deliveries -- the newest tries
select delivery_id, message_id, status, fault, duration_ms, tried_at
from identity.webhook_deliveries where webhook_id = $1 order by delivery_id desc limit $2;

-- due -- webhooks with something to tell, whose time has come
select w.id, w.chain_id, w.url, w.events, w.secret
from identity.webhooks w
join blockchain.cursors c on c.chain_id = w.chain_id and c.stream = 'main'
left join blockchain.streams s on s.chain_id = w.chain_id and s.name = 'webhook-' || w.id
where w.state = 'active' and w.next_try_at <= clock_timestamp() and s.block_hash is distinct from c.block_hash
order by w.next_try_at
limit $1;

-- hold -- the right to send to one receiver, kept until it is given back or the connection ends
select pg_try_advisory_lock(hashtextextended('gridtrace.webhook.' || $1::uuid, 0));

-- release -- gives the right back
select pg_advisory_unlock(hashtextextended('gridtrace.webhook.' || $1::uuid, 0));

-- tried -- a try and what came of it
insert into identity.webhook_deliveries (webhook_id, message_id, status, fault, duration_ms)
select id, $2, $3, $4, $5 from identity.webhooks where id = $1;

-- trim -- only the newest tries are kept
delete from identity.webhook_deliveries
where webhook_id = $1 and delivery_id <= (
    select delivery_id from identity.webhook_deliveries where webhook_id = $1
    order by delivery_id desc offset $2 limit 1
);

-- succeeded -- the receiver takes messages
update identity.webhooks set failures = 0, failing_since = null, next_try_at = clock_timestamp()
where id = $1 and failures > 0;

-- failed -- tried again later, each time twice as late; given up after days
update identity.webhooks
set failures = failures + 1,
    failing_since = coalesce(failing_since, clock_timestamp()),
    next_try_at = clock_timestamp() + make_interval(secs => least($2::float8, power(2, least(failures, 20)))),
    state = case when failing_since < clock_timestamp() - make_interval(secs => $3) then 'suspended' else state end
where id = $1
returning state;

-- forget_streams -- of webhooks that there are no more
delete from blockchain.streams s
where s.name like 'webhook-%' and not exists (select from identity.webhooks w where 'webhook-' || w.id = s.name);
