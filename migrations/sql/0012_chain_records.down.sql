create or replace function blockchain.take_followers_back() returns trigger language plpgsql as $$
begin
    update blockchain.cursors c
    set block_number = removed.number - 1, block_hash = removed.parent_hash, updated_at = clock_timestamp()
    from (select distinct on (chain_id) chain_id, number, parent_hash from gone order by chain_id, number) removed
    where c.chain_id = removed.chain_id and c.stream = 'executions' and c.block_number >= removed.number;
    return null;
end $$;
delete from blockchain.cursors where stream in ('records', 'reads');
delete from blockchain.attested_registers where readings_root is null;
alter table blockchain.attested_registers alter column readings_root set not null;
drop table if exists blockchain.staking_pools, blockchain.staking_positions, blockchain.escrow_deals,
    blockchain.certificates, blockchain.carbon_vintages, blockchain.proposals, blockchain.proposal_votes;
drop table if exists blockchain.chain_intervals;
drop table if exists blockchain.call_traces, blockchain.native_transfers, blockchain.receipts, blockchain.transactions,
    blockchain.follower_sources;
drop function if exists blockchain.refuse_write();
drop table if exists blockchain.versions;
