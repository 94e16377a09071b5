-- register -- a plant, not on chain yet
insert into assets.assets (
    owner, plant_id, name, symbol, supply, asset_type, capacity_kw, location_lat, location_lon, commissioned_on
) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning id;

-- lock -- one asset, for a change
select a.id, a.token_id, a.status, a.owner, a.plant_id, a.supply, a.name, a.symbol, a.outbox_id, o.state as outbox_state
from assets.assets a left join wallet.outbox o on o.id = a.outbox_id where a.id = $1 for update of a;

-- tokenising -- its token was asked for
update assets.assets set status = 'tokenising', outbox_id = $2 where id = $1;

-- set_status -- an administrator's decision
update assets.assets set status = $2 where id = $1;

-- follow -- what the mirrored chain has made of assets, or a reorganisation taken back
update assets.assets a
set status = case when a.status = 'tokenising' then 'active' else 'tokenising' end
where (a.status = 'tokenising') = exists (
    select from blockchain.asset_tokens t where t.chain_id = $1 and t.asset_id = a.token_id
) and a.status in ('tokenising', 'active')
returning a.id, a.status;

-- asset -- one, with what the chain says of it
select a.id, a.token_id, a.name, a.location_lat, a.location_lon, a.capacity_kw, a.asset_type, a.status, a.created_at,
    coalesce(t.owner, a.owner) as owner, a.plant_id, a.symbol, a.supply, a.commissioned_on, a.outbox_id, t.token,
    t.documents_root, t.metadata_uri, t.offer_price, coalesce(t.offer_fractions, 0) as offer_fractions, t.offer_until,
    held.holders, coalesce(t.revenue, 0) as revenue
from assets.assets a
left join blockchain.asset_tokens t on t.chain_id = $1 and t.asset_id = a.token_id
cross join lateral (
    select count(*) as holders from blockchain.token_balances b
    where b.chain_id = $1 and b.token = t.token and b.balance > 0
) held
where a.id = $2;

-- assets -- a page, newest first
select a.id, a.token_id, a.name, a.location_lat, a.location_lon, a.capacity_kw, a.asset_type, a.status, a.created_at,
    coalesce(t.owner, a.owner) as owner, a.plant_id, a.symbol, a.supply, a.commissioned_on, a.outbox_id, t.token,
    t.documents_root, t.metadata_uri, t.offer_price, coalesce(t.offer_fractions, 0) as offer_fractions, t.offer_until,
    held.holders, coalesce(t.revenue, 0) as revenue
from assets.assets a
left join blockchain.asset_tokens t on t.chain_id = $1 and t.asset_id = a.token_id
cross join lateral (
    select count(*) as holders from blockchain.token_balances b
    where b.chain_id = $1 and b.token = t.token and b.balance > 0
) held
where ($2::text is null or a.status = $2) and ($3::text is null or a.asset_type = $3)
  and ($4::bytea is null or coalesce(t.owner, a.owner) = $4) and ($5::bigint is null or a.token_id < $5)
order by a.token_id desc limit $6;

-- nearest -- within a radius of a place: the index finds a box, the distance decides
with near as materialized (
    select id, earth_distance(ll_to_earth($2::float8, $3::float8), ll_to_earth(location_lat, location_lon)) as distance_m
    from assets.assets
    where earth_box(ll_to_earth($2::float8, $3::float8), $4::float8) @> ll_to_earth(location_lat, location_lon)
      and earth_distance(ll_to_earth($2::float8, $3::float8), ll_to_earth(location_lat, location_lon)) <= $4::float8
    order by distance_m limit $5
)
select a.id, a.token_id, a.name, a.location_lat, a.location_lon, a.capacity_kw, a.asset_type, a.status, a.created_at,
    coalesce(t.owner, a.owner) as owner, a.plant_id, a.symbol, a.supply, a.commissioned_on, a.outbox_id, t.token,
    t.documents_root, t.metadata_uri, t.offer_price, coalesce(t.offer_fractions, 0) as offer_fractions, t.offer_until,
    held.holders, coalesce(t.revenue, 0) as revenue,
    near.distance_m
from near join assets.assets a using (id)
left join blockchain.asset_tokens t on t.chain_id = $1 and t.asset_id = a.token_id
cross join lateral (
    select count(*) as holders from blockchain.token_balances b
    where b.chain_id = $1 and b.token = t.token and b.balance > 0
) held
order by near.distance_m, a.token_id;
