-- fold -- each account's position in each pool; one that is gone has zeros
with events as (
    select int8send(pool_id) || account as key, pool_id, account, block_number, log_index,
           amount + compounded as amount, 0::numeric as reward, compounded,
           paid_until, start, unlock_at, 'staked' as kind, block_time
    from blockchain.fact_staking_pools_staked where chain_id = $1 and block_number between $2 and $3
    union all
    select int8send(pool_id) || account, pool_id, account, block_number, log_index,
           -amount, 0, 0, null, null, null, 'withdrawn', block_time
    from blockchain.fact_staking_pools_withdrawn where chain_id = $1 and block_number between $2 and $3
    union all
    select int8send(pool_id) || account, pool_id, account, block_number, log_index,
           -amount, 0, 0, null, null, null, 'exited', block_time
    from blockchain.fact_staking_pools_emergency_exited where chain_id = $1 and block_number between $2 and $3
    union all
    select int8send(pool_id) || account, pool_id, account, block_number, log_index,
           0, reward, 0, null, null, null, 'paid', block_time
    from blockchain.fact_staking_pools_reward_paid where chain_id = $1 and block_number between $2 and $3
),
chosen as (
    select * from events where $4::bytea[] is null or key = any ($4)
),
totals as (
    select pool_id, account, sum(amount) as amount, sum(reward) as rewards, sum(compounded) as compounded,
           max(block_number) as block_number
    from chosen group by pool_id, account
),
lasts as (
    select distinct on (pool_id, account) pool_id, account, kind, extract(epoch from block_time)::bigint as time_s
    from chosen order by pool_id, account, block_number desc, log_index desc
),
stakes as (
    select distinct on (pool_id, account) pool_id, account, start, paid_until, unlock_at
    from chosen where kind = 'staked'
    order by pool_id, account, block_number desc, log_index desc
),
-- Interest is paid up to the time of payment, never beyond the end of the lock; what is taken out is out after it.
merged as (
    select pool_id, account, coalesce(before.amount, 0) + totals.amount as amount, totals.rewards, totals.compounded,
           coalesce(stakes.start, extract(epoch from before.start)::numeric) as start,
           coalesce(stakes.unlock_at, extract(epoch from before.unlock_at)::numeric) as unlock_at,
           case lasts.kind
               when 'staked' then stakes.paid_until
               when 'paid' then
                   least(lasts.time_s, coalesce(stakes.unlock_at, extract(epoch from before.unlock_at)::numeric))
               else coalesce(stakes.unlock_at, extract(epoch from before.unlock_at)::numeric)
           end as paid_until,
           totals.block_number
    from totals
    join lasts using (pool_id, account)
    left join stakes using (pool_id, account)
    left join (select * from blockchain.staking_positions where chain_id = $1) before using (pool_id, account)
)
insert into blockchain.staking_positions as state
    (chain_id, pool_id, account, amount, start, paid_until, unlock_at, rewards, compounded, updated_block)
select $1::bigint, pool_id, account, amount,
       case when amount > 0 then to_timestamp(least(start, 253402300799)::bigint) end,
       case when amount > 0 then to_timestamp(least(paid_until, 253402300799)::bigint) end,
       case when amount > 0 then to_timestamp(least(unlock_at, 253402300799)::bigint) end,
       rewards, compounded, block_number
from merged
on conflict (chain_id, pool_id, account) do update
set amount = excluded.amount, start = excluded.start, paid_until = excluded.paid_until,
    unlock_at = excluded.unlock_at, rewards = state.rewards + excluded.rewards,
    compounded = state.compounded + excluded.compounded,
    updated_block = greatest(state.updated_block, excluded.updated_block);

-- touched -- positions with any event from one block on: pool (8 bytes) and account
select array_agg(distinct int8send(pool_id) || account) from (
    select pool_id, account from blockchain.fact_staking_pools_staked where chain_id = $1 and block_number >= $2
    union all
    select pool_id, account from blockchain.fact_staking_pools_withdrawn where chain_id = $1 and block_number >= $2
    union all
    select pool_id, account from blockchain.fact_staking_pools_reward_paid where chain_id = $1 and block_number >= $2
    union all
    select pool_id, account from blockchain.fact_staking_pools_emergency_exited
    where chain_id = $1 and block_number >= $2
) event;

-- clear -- forget positions
delete from blockchain.staking_positions where chain_id = $1 and int8send(pool_id) || account = any ($2::bytea[]);
