-- contract -- where a contract of a name is mirrored
select address from blockchain.smart_contracts where chain_id = $1 and name = $2;

-- staking_pools -- a stretch of them
select pool_id, apy_bps, lock_seconds, min_stake, cap, open::integer as open, staked, updated_block
from blockchain.staking_pools where chain_id = $1 order by pool_id offset $2 limit $3;

-- staking_positions -- a stretch of them; those that are gone, too
select pool_id, account, amount, coalesce(extract(epoch from start), 0)::bigint as start,
       coalesce(extract(epoch from paid_until), 0)::bigint as paid_until,
       coalesce(extract(epoch from unlock_at), 0)::bigint as unlock_at, updated_block
from blockchain.staking_positions where chain_id = $1 order by pool_id, account offset $2 limit $3;

-- escrow_deals -- a stretch of them
select deal_id, array_position(array['open', 'delivered', 'disputed', 'released', 'refunded', 'resolved'], state) as state,
       extract(epoch from since)::bigint as since, payee_share, payer_paid::integer as payer_paid,
       payee_paid::integer as payee_paid, updated_block
from blockchain.escrow_deals where chain_id = $1 order by deal_id offset $2 limit $3;

-- certificates -- a stretch of them
select code, array_position(array['live', 'retired', 'revoked'], state) as state, owner, issuer, updated_block
from blockchain.certificates where chain_id = $1 order by code offset $2 limit $3;

-- carbon_vintages -- a stretch of them
select id, coalesce(cap_g, 0) as cap_g, issued_g, retired_g, updated_block
from blockchain.carbon_vintages where chain_id = $1 order by id offset $2 limit $3;

-- proposals -- a stretch of them
select proposal_id, against, in_favour, abstained, updated_block
from blockchain.proposals where chain_id = $1 order by proposal_id offset $2 limit $3;
