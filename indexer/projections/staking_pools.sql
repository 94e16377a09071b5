-- fold -- each pool's terms, what is staked in it, and what came into and left its reserve
with changed as (
    select pool_id from blockchain.fact_staking_pools_pool_added
    where chain_id = $1 and block_number between $2 and $3
    union select pool_id from blockchain.fact_staking_pools_pool_open_set
    where chain_id = $1 and block_number between $2 and $3
    union select pool_id from blockchain.fact_staking_pools_pool_funded
    where chain_id = $1 and block_number between $2 and $3
    union select pool_id from blockchain.fact_staking_pools_pool_defunded
    where chain_id = $1 and block_number between $2 and $3
    union select pool_id from blockchain.fact_staking_pools_staked
    where chain_id = $1 and block_number between $2 and $3
    union select pool_id from blockchain.fact_staking_pools_withdrawn
    where chain_id = $1 and block_number between $2 and $3
    union select pool_id from blockchain.fact_staking_pools_reward_paid
    where chain_id = $1 and block_number between $2 and $3
    union select pool_id from blockchain.fact_staking_pools_emergency_exited
    where chain_id = $1 and block_number between $2 and $3
),
moved as (
    select pool_id, block_number, amount + compounded as staked, 0::numeric as funded, compounded as rewards
    from blockchain.fact_staking_pools_staked where chain_id = $1 and block_number between $2 and $3
    union all
    select pool_id, block_number, -amount, 0, 0
    from blockchain.fact_staking_pools_withdrawn where chain_id = $1 and block_number between $2 and $3
    union all
    select pool_id, block_number, -amount, 0, 0
    from blockchain.fact_staking_pools_emergency_exited where chain_id = $1 and block_number between $2 and $3
    union all
    select pool_id, block_number, 0, 0, reward
    from blockchain.fact_staking_pools_reward_paid where chain_id = $1 and block_number between $2 and $3
    union all
    select pool_id, block_number, 0, amount, 0
    from blockchain.fact_staking_pools_pool_funded where chain_id = $1 and block_number between $2 and $3
    union all
    select pool_id, block_number, 0, -amount, 0
    from blockchain.fact_staking_pools_pool_defunded where chain_id = $1 and block_number between $2 and $3
    union all
    select pool_id, block_number, 0, 0, 0
    from blockchain.fact_staking_pools_pool_added where chain_id = $1 and block_number between $2 and $3
    union all
    select pool_id, block_number, 0, 0, 0
    from blockchain.fact_staking_pools_pool_open_set where chain_id = $1 and block_number between $2 and $3
),
totals as (
    select pool_id, sum(staked) as staked, sum(funded) as funded, sum(rewards) as rewards,
           max(block_number) as block_number
    from moved group by pool_id
),
opened as (
    select distinct on (pool_id) pool_id, open
    from blockchain.fact_staking_pools_pool_open_set
    where chain_id = $1 and block_number between $2 and $3
    order by pool_id, block_number desc, log_index desc
),
terms as (
    select distinct on (pool_id) pool_id, apy_bps, lock_seconds, min_stake, cap
    from blockchain.fact_staking_pools_pool_added
    where chain_id = $1 and block_number between $2 and $3
    order by pool_id, block_number desc, log_index desc
)
insert into blockchain.staking_pools as state
    (chain_id, pool_id, apy_bps, lock_seconds, min_stake, cap, open, staked, funded, rewards, updated_block)
select $1::bigint, pool_id,
       coalesce(terms.apy_bps, before.apy_bps, 0), coalesce(terms.lock_seconds, before.lock_seconds, 0),
       coalesce(terms.min_stake, before.min_stake, 0), coalesce(terms.cap, before.cap, 0),
       coalesce(opened.open, terms.pool_id is not null or coalesce(before.open, false)),
       totals.staked, totals.funded, totals.rewards, totals.block_number
from changed
join totals using (pool_id)
left join terms using (pool_id)
left join opened using (pool_id)
left join (select * from blockchain.staking_pools where chain_id = $1) before using (pool_id)
where $4::bigint[] is null or pool_id = any ($4)
on conflict (chain_id, pool_id) do update
set apy_bps = excluded.apy_bps, lock_seconds = excluded.lock_seconds, min_stake = excluded.min_stake,
    cap = excluded.cap, open = excluded.open, staked = state.staked + excluded.staked,
    funded = state.funded + excluded.funded, rewards = state.rewards + excluded.rewards,
    updated_block = greatest(state.updated_block, excluded.updated_block);

-- touched -- pools with any event from one block on
select array_agg(distinct pool_id) from (
    select pool_id from blockchain.fact_staking_pools_pool_added where chain_id = $1 and block_number >= $2
    union all
    select pool_id from blockchain.fact_staking_pools_pool_open_set where chain_id = $1 and block_number >= $2
    union all
    select pool_id from blockchain.fact_staking_pools_pool_funded where chain_id = $1 and block_number >= $2
    union all
    select pool_id from blockchain.fact_staking_pools_pool_defunded where chain_id = $1 and block_number >= $2
    union all
    select pool_id from blockchain.fact_staking_pools_staked where chain_id = $1 and block_number >= $2
    union all
    select pool_id from blockchain.fact_staking_pools_withdrawn where chain_id = $1 and block_number >= $2
    union all
    select pool_id from blockchain.fact_staking_pools_reward_paid where chain_id = $1 and block_number >= $2
    union all
    select pool_id from blockchain.fact_staking_pools_emergency_exited where chain_id = $1 and block_number >= $2
) event;

-- clear -- forget pools
delete from blockchain.staking_pools where chain_id = $1 and pool_id = any ($2::bigint[]);
