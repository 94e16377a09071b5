-- settlements -- a page, newest first; every argument that is null does not restrict
select s.settlement_id, s.zone, extract(epoch from s.delivery_start)::bigint as delivery_start, s.version, s.state,
    s.state_reason, s.batch_sequence, s.transaction_hash, s.block_number, s.gas_used, s.trades, s.traded_wh, s.delivered_wh,
    s.imbalance_wh, s.grid_exchange_wh, s.price_local_per_kwh, s.price_long_per_kwh, s.price_short_per_kwh,
    s.grid_fee_nano, s.rent_nano, s.residue_nano, s.missing_meters, s.readings_root, s.result_hash, s.computed_at,
    s.settled_at, s.final_at, s.batches, s.most_entries, s.previous_id, s.zones
from trading.settlements s
where ($1::bigint is null or s.zone = $1)
  and ($2::bigint is null or s.delivery_start = to_timestamp($2))
  and ($3::text is null or s.state = $3)
  and ($4::bytea is null or exists (
      select from trading.settlement_accounts a where a.settlement_id = s.settlement_id and a.account = $4))
  and ($5::bigint is null or s.settlement_id < $5)
order by s.settlement_id desc
limit $6

-- settlement -- a slot's newest version
select s.settlement_id, s.zone, extract(epoch from s.delivery_start)::bigint as delivery_start, s.version, s.state,
    s.state_reason, s.batch_sequence, s.transaction_hash, s.block_number, s.gas_used, s.trades, s.traded_wh, s.delivered_wh,
    s.imbalance_wh, s.grid_exchange_wh, s.price_local_per_kwh, s.price_long_per_kwh, s.price_short_per_kwh,
    s.grid_fee_nano, s.rent_nano, s.residue_nano, s.missing_meters, s.readings_root, s.result_hash, s.computed_at,
    s.settled_at, s.final_at, s.batches, s.most_entries, s.previous_id, s.zones
from trading.settlements s
where s.zone = $1 and s.delivery_start = to_timestamp($2)
order by s.version desc
limit 1

-- versions -- of a slot's settlement
select s.settlement_id, s.zone, extract(epoch from s.delivery_start)::bigint as delivery_start, s.version, s.state,
    s.state_reason, s.batch_sequence, s.transaction_hash, s.block_number, s.gas_used, s.trades, s.traded_wh, s.delivered_wh,
    s.imbalance_wh, s.grid_exchange_wh, s.price_local_per_kwh, s.price_long_per_kwh, s.price_short_per_kwh,
    s.grid_fee_nano, s.rent_nano, s.residue_nano, s.missing_meters, s.readings_root, s.result_hash, s.computed_at,
    s.settled_at, s.final_at, s.batches, s.most_entries, s.previous_id, s.zones
from trading.settlements s
where s.zone = $1 and s.delivery_start = to_timestamp($2)
order by s.version

-- batches -- of a settlement, in their order
select ordinal, batch_sequence, transaction_hash, block_number, gas_used, batch
from trading.settlement_batches where settlement_id = $1 order by ordinal

-- area -- of a zone in a slot
select area from trading.auctions where zone = $1 and delivery_start = to_timestamp($2)

-- accounts -- the accounts of a settlement, or one of them
select a.account, a.bought_wh, a.sold_wh, a.injection_wh, a.withdrawal_wh, a.imbalance_wh, a.netted_wh,
    a.trade_money_nano, a.grid_fee_nano, a.rent_nano, a.imbalance_money_nano, a.uncovered, a.state, coalesce(c.shortfall, 0)::bigint as shortfall
from trading.settlement_accounts a
left join trading.settlement_charges c using (settlement_id, account)
where a.settlement_id = $1 and ($2::bytea is null or a.account = $2)
order by a.account
