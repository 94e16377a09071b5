-- counts -- how much there is, what the auditor found, what the indexer is doing
select
    (select count(*) from blockchain.participants where chain_id = $1) as participants,
    (select coalesce(sum(meters), 0)::bigint from telemetry.meters_in_service()) as meters,
    trading.order_count() as orders,
    (select count(*) from trading.trades) as trades,
    (select count(*) from trading.settlements where state = 'settled') as slots_settled,
    (select count(*) from audit.slot_checks) as slots_checked,
    (select coalesce(sum(differences), 0)::bigint from (
        select differences from audit.slot_checks union all select differences from audit.asset_checks
    ) checked) as differences,
    coalesce((select events_indexed from blockchain.cursors where chain_id = $1 and stream = 'main'), 0)
        as events_indexed,
    coalesce((select state from blockchain.cursors where chain_id = $1 and stream = 'main'), 'waiting') as state;

-- cleared_zones -- the zones that have had the day-ahead auction of the day that begins at a time ($1)
select coalesce(array_agg(zone), '{}') from trading.day_ahead_auctions, unnest(zones) as zone
where day = to_timestamp($1::bigint);
