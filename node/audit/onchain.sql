-- unmade -- settled batches of a slot ($2), or with null of slots that have no settlement, under numbers that none holds
select f.sequence, f.delivery_start, f.version, f.fee, f.transaction_hash
from blockchain.fact_settlement_exchange_orders_settled f
where f.chain_id = $1
  and not exists (select from trading.settlement_batches b where b.batch_sequence = f.sequence)
  and case when $2::bigint is null
      then not exists (select from trading.settlements s where s.delivery_start = to_timestamp(f.delivery_start))
      else f.delivery_start = $2 end
order by f.sequence
