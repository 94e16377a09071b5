-- head -- of the mirror
select block_number, block_hash, reorg_epoch from blockchain.cursors where chain_id = $1 and stream = 'main';

-- hashes -- of blocks of the mirror
select number, hash from blockchain.blocks where chain_id = $1 and number between $2 and $3;

-- balances -- vault accounts, with what open orders lock
select asked.account, coalesce(b.cash, 0)::text as cash, coalesce(b.energy_wh, 0)::text as energy_wh,
    coalesce(b.pending_cash, 0)::text as pending_cash, coalesce(b.pending_energy_wh, 0)::text as pending_energy_wh,
    coalesce(b.nonce, 0)::text as nonce,
    coalesce((select sum(o.locked_cash) from trading.orders o
              where o.trader = asked.account and o.locked_cash > 0), 0)::text as locked
from unnest($2::bytea[]) as asked (account)
left join blockchain.account_balances b on b.chain_id = $1 and b.account = asked.account;

-- fills -- an account's newest trades after one, the oldest first
select * from (
    select trade_id, kind, zone, sell_zone, extract(epoch from delivery_start)::bigint as delivery_start, buyer, seller,
        buy_order, sell_order, energy_wh, price_per_kwh
    from trading.trades
    where (buyer = $1 or seller = $1) and trade_id > $2
    order by trade_id desc limit $3
) newest order by trade_id;

-- telemetry -- the newest reading of each meter of some accounts
select m.owner as account, l.meter_id, extract(epoch from l."time")::bigint as "time", l.import_wh, l.export_wh, l.power_w
from telemetry.latest l join telemetry.meters m using (meter_id)
where m.owner = any ($1::bytea[])
order by l.meter_id;
