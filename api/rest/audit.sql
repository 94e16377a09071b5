-- slot_checks -- the last look at each slot's newest version, newest first; the key is slot and zone in one number
select * from (
    select distinct on (delivery_start, zone)
        zone, delivery_start, version, differences, findings, block_number, checked_at,
        (extract(epoch from delivery_start)::bigint << 31) | zone as key
    from audit.slot_checks
    where $1::bigint is null or zone = $1
    order by delivery_start, zone, version desc
) as newest
where $2::bigint is null or key < $2
order by key desc
limit $3;

-- totals -- over all checked slots
select coalesce(sum(differences), 0)::bigint as differences, count(*) as slots_checked
from audit.slot_checks where $1::bigint is null or zone = $1;

-- check -- the last look at a slot's newest version
select zone, delivery_start, version, differences, findings, block_number, checked_at
from audit.slot_checks where zone = $1 and delivery_start = $2 order by version desc limit 1;

-- anchors -- entries of the chained logs that were put on chain, newest day first; the key is day and log in one number
select * from (
    select a.log, a.day, a.sequence, a.hash, f.transaction_hash, f.block_number,
        (a.day - date '1970-01-01')::bigint * 2 + (a.log = 'trading.events')::int as key
    from audit.anchors a
    left join lateral (
        select f.transaction_hash, f.block_number from blockchain.fact_production_ledger_registers_attested f
        where f.chain_id = $1 and f.slot_end = a.sequence and f.readings_root = a.hash
          and f.zone = case a.log when 'audit.audit_logs' then 4294967295 else 4294967294 end
        order by f.block_number, f.log_index limit 1
    ) f on true
    where $2::text is null or a.log = $2
) as anchors
where $3::bigint is null or key < $3
order by key desc
limit $4;
