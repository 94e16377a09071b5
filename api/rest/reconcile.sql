-- newest -- of each scope
select distinct on (scope) check_id, scope, outcome, block_number, block_hash, finality, compared, differences, notes,
    checked_at
from blockchain.balance_checks
where chain_id = $1
order by scope, check_id desc;

-- totals -- of the last day
select count(*) as checks, coalesce(sum(compared), 0)::bigint as compared,
    coalesce(sum(differences), 0)::bigint as differences, count(*) filter (where outcome = 'impossible') as impossible
from blockchain.balance_checks
where chain_id = $1 and checked_at > now() - interval '1 day';

-- differences -- newest first
select d.check_id, d.contract, d.account, d.quantity, d.mirrored, d.on_chain, d.difference, d.block_number, c.checked_at
from blockchain.balance_differences d
join blockchain.balance_checks c using (check_id)
where c.chain_id = $1
order by d.check_id desc, d.position
limit $2;
