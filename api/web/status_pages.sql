-- cursors -- how far each part of the mirror is
select stream, block_number, finalized_number, reorg_epoch, state, state_reason, updated_at,
    (select max(c.head_number) from blockchain.cursors c where c.chain_id = $1) - block_number as behind
from blockchain.cursors where chain_id = $1 order by stream <> 'main', stream;

-- outbox -- transactions by state, in the order of their lives; those that are final are done
select state, count(*) as transactions, min(created_at) as oldest, max(attempts) as attempts
from wallet.outbox group by state
order by array_position(array['queued', 'signed', 'sent', 'mined', 'final', 'failed'], state);

-- waiting -- what has begun and is not done
select
    trading.open_orders() as open_orders,
    (select count(*) from trading.settlements where state not in ('settled', 'failed')) as settlements,
    (select count(*) from trading.settlements where state = 'failed') as failed_settlements,
    (select count(*) from trading.settlements s where s.state = 'settled' and not exists (
        select from audit.slot_checks c
        where c.zone = s.zone and c.delivery_start = s.delivery_start and c.version >= s.version)) as unaudited,
    (select count(distinct meter_id) from telemetry.meter_faults where until is null) as faulty_meters;

-- faults -- that are open, by kind
select kind, count(*) as meters, min(since) as oldest from telemetry.meter_faults
where until is null group by kind order by meters desc, kind;

-- day_ahead -- the last auction of a whole day
select day, cleared_at, order_count, matched_wh from trading.day_ahead_auctions order by day desc limit 1;

-- accounts -- those that are cleared, with what they have ($1 chain, $2 payment token, $3 limit)
select p.account, p.kyc_until, coalesce(v.cash, 0) as cash, coalesce(v.energy_wh, 0) as energy_wh,
    coalesce(t.balance, 0) as wallet_cash,
    (select count(*) from blockchain.meters m where m.chain_id = $1 and m.owner = p.account and m.active) as meters,
    array_remove(array[
        case when p.flags & 1 = 1 then 'producer' end,
        case when p.flags & 2 = 2 then 'consumer' end,
        case when p.flags & 4 = 4 then 'frozen' end
    ], null) as roles
from blockchain.participants p
left join blockchain.account_balances v on v.chain_id = p.chain_id and v.account = p.account
left join blockchain.token_balances t on t.chain_id = p.chain_id and t.token = $2 and t.account = p.account
where p.chain_id = $1
order by p.account limit $3;
