-- happened -- an asset's event, for its owner and holders too
with event as (
    insert into assets.events (asset_id, kind, detail) values ($1, $2, $3) returning asset_id
), told as (
    select coalesce(t.owner, a.owner) as account from event
    join assets.assets a on a.id = event.asset_id
    left join blockchain.asset_tokens t on t.asset_id = a.token_id
    union
    select b.account from event
    join assets.assets a on a.id = event.asset_id
    join blockchain.asset_tokens t on t.asset_id = a.token_id
    join blockchain.token_balances b on b.chain_id = t.chain_id and b.token = t.token and b.balance > 0
)
insert into identity.notifications (user_id, kind, detail)
select u.id, $2, $3::jsonb || jsonb_build_object('asset_id', $1::uuid)
from told join identity.users u on u.wallet = told.account
returning user_id;

-- told -- one account's user, if it has one
insert into identity.notifications (user_id, kind, detail)
select id, $2, $3 from identity.users where wallet = $1::bytea returning user_id;

-- notifications -- newest first
select notification_id, kind, detail, created_at, read_at from identity.notifications
where user_id = $1 and ($2::bigint is null or notification_id < $2) order by notification_id desc limit $3;

-- read -- up to a number
update identity.notifications set read_at = clock_timestamp()
where user_id = $1 and notification_id <= $2 and read_at is null returning notification_id;

-- events -- newest first
select event_id, kind, detail, happened_at from assets.events where asset_id = $1 order by event_id desc limit $2;
