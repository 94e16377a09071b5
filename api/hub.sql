-- pulse -- how far the ledger is, and whether meters and ledger agree
select
    (select block_number from blockchain.cursors where chain_id = $1 and stream = 'main') as block_number,
    (select reorg_epoch from blockchain.cursors where chain_id = $1 and stream = 'main') as reorg_epoch,
    (select coalesce(sum(differences), 0)::bigint from (
        select differences from audit.slot_checks union all select differences from audit.asset_checks
    ) checked) as differences,
    (select count(*) from trading.settlements where state = 'settled') as slots_settled,
    (select count(*) from trading.trades) as trades;
