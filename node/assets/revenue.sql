-- owners -- whose the meters of a plant are, and whether these accounts have meters beside it in these zones
select m.owner, bool_or(other.meter_id is not null) as is_shared
from telemetry.meters m
left join telemetry.meters other
    on other.owner = m.owner and other.plant_id is distinct from m.plant_id and other.kind <> 'feeder'
where m.plant_id = $1
group by m.owner;

-- revenue -- what the account of a plant ($1) came to in settled slots of a period ($2, $3); a slot's newest settled version
with zones as (
    select array_agg(distinct zone) as all, (array_agg(owner))[1] as owner from telemetry.meters where plant_id = $1
), slots as (
    select distinct on (s.zone, s.delivery_start) s.settlement_id, s.final_at
    from trading.settlements s, zones
    where s.delivery_start >= $2 and s.delivery_start < $3 and s.zones && zones.all and s.state = 'settled'
    order by s.zone, s.delivery_start, s.version desc
)
select
    coalesce(sum(a.trade_money_nano + a.imbalance_money_nano - a.grid_fee_nano - a.rent_nano), 0)::numeric as nano,
    coalesce(sum(a.injection_wh), 0)::bigint as energy_wh,
    coalesce(sum(a.sold_wh), 0)::bigint as sold_wh,
    count(a.settlement_id)::integer as slots,
    (
        -- A later version may still change it: not final, on its way to the chain, or not computed at all.
        select count(*) from (
            select a.zone, a.delivery_start from trading.auctions a, zones
            where a.zone = any (zones.all) and a.delivery_start >= $2 and a.delivery_start < $3 and not a.is_computed
            union
            select s.zone, s.delivery_start from trading.settlements s, zones
            where s.zones && zones.all and s.delivery_start >= $2 and s.delivery_start < $3
              and (s.state not in ('settled', 'failed') or s.final_at is null)
              and not exists (
                  select from trading.settlements later
                  where later.zone = s.zone and later.delivery_start = s.delivery_start and later.version > s.version
              )
        ) open
    )::integer as open_slots
from slots cross join zones
left join trading.settlement_accounts a on a.settlement_id = slots.settlement_id and a.account = zones.owner;

-- propose -- a period's revenue, to be reviewed
insert into assets.revenue_distributions (
    asset_id, period_start, period_end, amount, energy_wh, sold_wh, slots, open_slots
) values ($1, $2, $3, $4, $5, $6, $7, $8) returning id;

-- lock -- one distribution, for a change
select d.id, d.asset_id, a.plant_id, d.period_start, d.period_end, d.amount, d.status, d.outbox_id
from assets.revenue_distributions d join assets.assets a on a.id = d.asset_id where d.id = $1 for update of d;

-- lock_claims -- one account's claims of one asset are asked for one after another
select pg_advisory_xact_lock(hashtextextended(encode($1::bytea, 'hex'), 0));

-- claim_under_way -- a claim that is sent, or mined in a block that is not mirrored yet
select id from wallet.outbox
where kind = 'claim_revenue' and key like $1 and (
    state in ('queued', 'signed', 'sent')
    or state = 'mined' and block_number > coalesce((
        select block_number from blockchain.cursors where chain_id = $2 and stream = 'main'
    ), -1)
)
order by id desc limit 1;

-- approve -- it may be paid in
update assets.revenue_distributions set status = 'approved', approved_by = $2 where id = $1;

-- reject -- its period is free again
update assets.revenue_distributions set status = 'rejected', approved_by = $2 where id = $1;

-- submit -- its payment is on its way
update assets.revenue_distributions set status = 'submitted', outbox_id = $2 where id = $1;

-- follow -- distributions as the mirrored chain shows them
with seen as (
    select d.id, f.block_time, o.state
    from assets.revenue_distributions d
    join assets.assets a on a.id = d.asset_id
    left join blockchain.asset_tokens t on t.chain_id = $1 and t.asset_id = a.token_id
    left join blockchain.fact_asset_token_revenue_deposited f
        on f.chain_id = $1 and f.emitter = t.token and f.amount = d.amount
        and f.distribution_id = decode(lpad(replace(d.id::text, '-', ''), 64, '0'), 'hex')
    left join wallet.outbox o on o.id = d.outbox_id
    where d.status in ('submitted', 'distributed', 'approved')
)
update assets.revenue_distributions d
set status = case
        when seen.block_time is not null then 'distributed'
        when seen.state = 'failed' then 'approved'
        else 'submitted'
    end,
    distribution_date = seen.block_time
from seen
where d.id = seen.id and (
    seen.block_time is not null and d.status <> 'distributed'
    or seen.block_time is null and d.status = 'distributed'
    or seen.block_time is null and d.status = 'submitted' and seen.state = 'failed'
)
returning d.id, d.asset_id, d.status, d.amount;

-- distributions -- newest period first
select d.id, d.asset_id, d.period_start, d.period_end, d.amount, d.total_amount, d.energy_wh, d.sold_wh, d.slots,
    d.open_slots, d.status, d.distribution_date, d.outbox_id, o.transaction_hash
from assets.revenue_distributions d
left join wallet.outbox o on o.id = d.outbox_id
where ($1::uuid is null or d.asset_id = $1) and ($2::uuid is null or d.id = $2)
order by d.period_start desc, d.asset_id limit $3;
