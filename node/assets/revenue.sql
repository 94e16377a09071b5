-- revenue -- of the meters of a plant ($1) in settled slots of a period ($2, $3); the newest version of each slot counts
with plant as (
    select meter_id, owner, zone from telemetry.meters where plant_id = $1
), slots as (
    select distinct on (s.zone, s.delivery_start) s.settlement_id, s.zone, s.zones, s.delivery_start, s.version, s.state
    from trading.settlements s
    where s.delivery_start >= $2 and s.delivery_start < $3
    order by s.zone, s.delivery_start, s.version desc
), metered as (
    select s.settlement_id, p.owner, sum(e.export_wh) as energy_wh
    from slots s
    join telemetry.slot_energy e on e.delivery_start = s.delivery_start and e.version = s.version
    join plant p on p.meter_id = e.meter_id
    where s.state = 'settled'
    group by s.settlement_id, p.owner
), shares as (
    select m.energy_wh, a.sold_wh, a.injection_wh,
        (a.trade_money_nano + a.imbalance_money_nano - a.grid_fee_nano - a.rent_nano)::numeric as nano
    from metered m
    join trading.settlement_accounts a on a.settlement_id = m.settlement_id and a.account = m.owner
)
select
    -- An account with other meters beside the plant's: by injection, rounded down in every slot.
    coalesce(sum(case
        when injection_wh = energy_wh or injection_wh = 0 then nano else floor(nano * energy_wh / injection_wh)
    end), 0) as nano,
    coalesce(sum(energy_wh), 0)::bigint as energy_wh,
    coalesce(sum(case
        when injection_wh = energy_wh or injection_wh = 0 then sold_wh else sold_wh * energy_wh / injection_wh
    end), 0)::bigint as sold_wh,
    count(*)::integer as slots,
    (
        select count(*) from slots s
        where s.state not in ('settled', 'failed') and s.zones && array(select zone from plant)
    )::integer as open_slots
from shares;

-- propose -- a period's revenue, to be reviewed
insert into assets.revenue_distributions (
    asset_id, period_start, period_end, amount, energy_wh, sold_wh, slots, open_slots
) values ($1, $2, $3, $4, $5, $6, $7, $8) returning id;

-- lock -- one distribution, for a change
select id, asset_id, period_start, period_end, amount, status, open_slots, outbox_id
from assets.revenue_distributions where id = $1 for update;

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
