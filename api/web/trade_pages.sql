-- progress -- how far each order ($1 chain, $2 digests) is: its trades' settlement, its place on the mirrored chain
select o.digest, s.state as settlement, on_chain.block_number, on_chain.transaction_hash, on_chain.fill_wh,
    on_chain.delivered_wh, on_chain.money, coalesce(on_chain.block_number <= c.finalized_number, false) as is_final,
    coalesce((
        select bool_and(t.settlement_status = 'failed') from trading.trades t
        where t.delivery_start = o.delivery_start
            and (t.buyer = o.trader and t.buy_order = o.digest or t.seller = o.trader and t.sell_order = o.digest)
    ), false) as has_failed
from trading.orders o
left join lateral (
    select newest.state from trading.settlements newest
    where newest.delivery_start = o.delivery_start and o.zone = any(newest.zones) and o.matched_wh > 0
    order by newest.version limit 1
) s on true
left join lateral (
    select block_number, transaction_hash, fill_wh, delivered_wh, money from blockchain.settled_orders settled
    where settled.chain_id = $1 and settled.trader = o.trader and settled.delivery_start = o.delivery_start
        and settled.zone = o.zone and settled.lane = o.lane and settled.nonce = o.nonce
    order by block_number desc, log_index desc limit 1
) on_chain on true
left join blockchain.cursors c on c.chain_id = $1 and c.stream = 'main'
where o.digest = any($2::bytea[]);
