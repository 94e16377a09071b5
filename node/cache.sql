-- assets -- details of assets ($1 chain, $2 some of them or null for all)
select 'value' as kind, 'asset:' || a.id || ':details' as key, json_build_object(
    'id', a.id, 'token_id', a.token_id, 'name', a.name, 'symbol', a.symbol, 'asset_type', a.asset_type,
    'status', a.status, 'capacity_kw', a.capacity_kw, 'location_lat', a.location_lat, 'location_lon', a.location_lon,
    'supply', a.supply::text, 'token', '0x' || encode(t.token, 'hex'), 'revenue', coalesce(t.revenue, 0)::text
)::text as value
from assets.assets a left join blockchain.asset_tokens t on t.chain_id = $1 and t.asset_id = a.token_id
where $2::uuid[] is null or a.id = any ($2);

-- production -- the newest power of assets
select 'value' as kind, 'asset:' || a.id || ':production:latest' as key, json_build_object(
    'time', p."time", 'power_kw', p.power_kw, 'voltage', p.voltage, 'temperature', p.temperature
)::text as value
from assets.assets a
cross join lateral (
    select * from telemetry.energy_production p where p.asset_id = a.id order by p."time" desc limit 1
) p
where ($2::uuid[] is null or a.id = any ($2)) and $1::bigint is not null;

-- events -- what happened to assets, newest first
select 'list' as kind, 'asset:' || a.id || ':events' as key, e.entries
from assets.assets a
cross join lateral (
    select array_agg(json_build_object('event_id', e.event_id, 'kind', e.kind, 'detail', e.detail,
        'happened_at', e.happened_at)::text order by e.event_id desc) as entries
    from (select * from assets.events where asset_id = a.id order by event_id desc limit 50) e
) e
where ($2::uuid[] is null or a.id = any ($2)) and e.entries is not null and $1::bigint is not null;

-- yields -- what assets paid in a year over their last price (assets.yields), of those that paid
select 'score' as kind, 'assets:by-yield' as key, asset_id::text as member, yield_bp / 10000.0::float8 as score
from assets.yields
where chain_id = $1 and ($2::uuid[] is null or asset_id = any ($2)) and yield_bp is not null;

-- users -- who they are; nothing personal
select 'value' as kind, 'user:' || u.id || ':profile' as key, json_build_object(
    'id', u.id, 'wallet_address', u.wallet_address, 'role', u.role, 'kyc_status', u.kyc_status
)::text as value
from identity.users u where ($2::uuid[] is null or u.id = any ($2)) and $1::bigint is not null;

-- notifications -- what users were told, newest first
select 'list' as kind, 'user:' || u.id || ':notifications' as key, n.entries
from identity.users u
cross join lateral (
    select array_agg(json_build_object('notification_id', n.notification_id, 'kind', n.kind, 'detail', n.detail,
        'created_at', n.created_at)::text order by n.notification_id desc) as entries
    from (select * from identity.notifications where user_id = u.id order by notification_id desc limit 50) n
) n
where ($2::uuid[] is null or u.id = any ($2)) and n.entries is not null and $1::bigint is not null;

-- investments -- what users paid for fractions, in the payment token
select 'score' as kind, 'users:by-investment' as key, u.id::text as member, (sum(p.cost) / 1000000)::float8 as score
from identity.users u join blockchain.asset_purchases p on p.chain_id = $1 and p.buyer = u.wallet
where $2::uuid[] is null or u.id = any ($2)
group by u.id;

-- changed -- users who changed since a time ($2), or bought since a block ($3)
select u.id from identity.users u where u.updated_at > $2
union
select u.id from blockchain.asset_purchases p join identity.users u on u.wallet = p.buyer
where p.chain_id = $1 and p.block_number > $3;

-- best_assets -- by yield, as the cache orders them
select asset_id::text as member, yield_bp / 10000.0::float8 as score from assets.yields
where chain_id = $1 and yield_bp is not null order by yield_bp desc, asset_id::text desc limit $2;

-- best_users -- by what they paid for fractions, as the cache orders them
select u.id::text as member, (sum(p.cost) / 1000000)::float8 as score
from identity.users u join blockchain.asset_purchases p on p.chain_id = $1 and p.buyer = u.wallet
group by u.id order by 2 desc, 1 desc limit $2;
