-- mirrored -- whether events of assets' tokens are mirrored at all
select to_regclass('blockchain.fact_asset_token_revenue_deposited') is not null;

-- plants -- assets that have a token; all of them unless one is named
select a.id, a.name, a.plant_id, t.token, t.revenue, t.supply
from assets.assets a join blockchain.asset_tokens t on t.chain_id = $1 and t.asset_id = a.token_id
where $2::uuid is null or a.id = $2 order by a.token_id;

-- distributions -- those that somebody agreed to, beside what the chain has under their names
select d.id, d.period_start, d.period_end, d.amount, d.energy_wh, d.sold_wh, d.status, paid.amount as paid, paid.payments
from assets.revenue_distributions d
cross join lateral (
    select coalesce(sum(f.amount), 0) as amount, count(*) as payments
    from blockchain.fact_asset_token_revenue_deposited f
    where f.chain_id = $1 and f.emitter = $2
      and f.distribution_id = decode(lpad(replace(d.id::text, '-', ''), 64, '0'), 'hex')
) paid
where d.asset_id = $3 and d.status in ('approved', 'submitted', 'distributed') order by d.period_start;

-- brought -- what a plant's account ($1) came to by its settled trades, slot by slot; each slot's newest settled version
with owner as (
    select (array_agg(owner))[1] as account, array_agg(distinct zone) as zones from telemetry.meters where plant_id = $1
), slots as (
    select distinct on (s.zone, s.delivery_start) s.settlement_id, s.delivery_start, s.zones, s.final_at
    from trading.settlements s, owner
    where s.delivery_start >= $2 and s.delivery_start < $3 and s.zones && owner.zones and s.state = 'settled'
    order by s.zone, s.delivery_start, s.version desc
)
select extract(epoch from slots.delivery_start)::bigint as delivery_start, slots.final_at is not null as is_final,
    a.trade_money_nano, a.sold_wh, a.injection_wh, a.imbalance_money_nano - a.grid_fee_nano - a.rent_nano as other_nano,
    traded.nano as traded_nano, traded.sold_wh as traded_wh
from slots cross join owner
join trading.settlement_accounts a on a.settlement_id = slots.settlement_id and a.account = owner.account
cross join lateral (
    select coalesce(sum(case when t.seller = owner.account then t.price_per_kwh * t.energy_wh else 0 end
            - case when t.buyer = owner.account then t.price_per_kwh * t.energy_wh else 0 end), 0)::numeric as nano,
        coalesce(sum(t.energy_wh) filter (where t.seller = owner.account), 0)::bigint as sold_wh
    from trading.trades t
    where t.delivery_start = slots.delivery_start and t.settlement_status = 'settled'
      and (t.seller = owner.account and t.sell_zone = any (slots.zones)
        or t.buyer = owner.account and t.zone = any (slots.zones))
) traded
order by 1;

-- events -- of a token, in the order of the chain
select block_number, log_index, 'moved' as kind, "from" as one, "to" as other, value as amount, null::numeric as rate
from blockchain.fact_asset_token_transfer where chain_id = $1 and emitter = $2
union all
select block_number, log_index, 'paid_in', depositor, null, amount, revenue_per_fraction
from blockchain.fact_asset_token_revenue_deposited where chain_id = $1 and emitter = $2
union all
select block_number, log_index, 'claimed', account, null, amount, null
from blockchain.fact_asset_token_revenue_claimed where chain_id = $1 and emitter = $2
union all
select block_number, log_index, 'taken', "from", "to", revenue, null
from blockchain.fact_asset_token_forced_transfer where chain_id = $1 and emitter = $2
order by block_number, log_index;

-- held -- who holds a token, as the mirror says
select account, balance from blockchain.token_balances where chain_id = $1 and token = $2 and balance <> 0;

-- due -- assets of which something happened since they were looked at, or of which a reorganisation may have taken it back
select a.id, now_seen.seen
from assets.assets a
join blockchain.asset_tokens t on t.chain_id = $1 and t.asset_id = a.token_id
join blockchain.cursors m on m.chain_id = $1 and m.stream = 'main'
left join audit.asset_checks c on c.asset_id = a.id
cross join lateral (
    select md5(concat_ws(':', m.reorg_epoch,
        (select max((block_number, log_index))::text from blockchain.fact_asset_token_transfer
         where chain_id = $1 and emitter = t.token),
        (select max((block_number, log_index))::text from blockchain.fact_asset_token_revenue_deposited
         where chain_id = $1 and emitter = t.token),
        (select max((block_number, log_index))::text from blockchain.fact_asset_token_revenue_claimed
         where chain_id = $1 and emitter = t.token),
        (select string_agg(d.id::text || d.status || d.amount, ',' order by d.id) from assets.revenue_distributions d
         where d.asset_id = a.id)
    )) as seen
) now_seen
where c.seen is distinct from now_seen.seen
limit $2;

-- store -- the last look at an asset
insert into audit.asset_checks (asset_id, differences, findings, block_number, seen)
values ($1, $2, $3, $4, $5)
on conflict (asset_id) do update set differences = excluded.differences, findings = excluded.findings,
    block_number = excluded.block_number, seen = excluded.seen, checked_at = clock_timestamp();
