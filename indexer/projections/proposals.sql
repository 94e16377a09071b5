-- fold -- each proposal: its terms, how far it has come, and the votes that were cast
with steps as (
    select proposal_id, block_number, log_index, 'created' as step, null::numeric as eta
    from blockchain.fact_trace_governor_proposal_created where chain_id = $1 and block_number between $2 and $3
    union all
    select proposal_id, block_number, log_index, 'queued', least(eta_seconds, 253402300799)
    from blockchain.fact_trace_governor_proposal_queued where chain_id = $1 and block_number between $2 and $3
    union all
    select proposal_id, block_number, log_index, 'executed', null
    from blockchain.fact_trace_governor_proposal_executed where chain_id = $1 and block_number between $2 and $3
    union all
    select proposal_id, block_number, log_index, 'canceled', null
    from blockchain.fact_trace_governor_proposal_canceled where chain_id = $1 and block_number between $2 and $3
    union all
    select proposal_id, block_number, log_index, null, null
    from blockchain.proposal_votes where chain_id = $1 and block_number between $2 and $3
),
chosen as (
    select * from steps where $4::numeric[] is null or proposal_id = any ($4)
),
touched as (
    select proposal_id, max(block_number) as block_number, max(eta) as eta from chosen group by proposal_id
),
lasts as (
    select distinct on (proposal_id) proposal_id, step
    from chosen where step is not null order by proposal_id, block_number desc, log_index desc
),
votes as (
    select proposal_id, coalesce(sum(weight) filter (where support = 0), 0) as against,
           coalesce(sum(weight) filter (where support = 1), 0) as in_favour,
           coalesce(sum(weight) filter (where support = 2), 0) as abstained
    from blockchain.proposal_votes
    where chain_id = $1 and block_number between $2 and $3 and ($4::numeric[] is null or proposal_id = any ($4))
    group by proposal_id
),
terms as (
    select distinct on (proposal_id) proposal_id, proposer, description, vote_start, vote_end
    from blockchain.fact_trace_governor_proposal_created
    where chain_id = $1 and block_number between $2 and $3
    order by proposal_id, block_number desc, log_index desc
)
insert into blockchain.proposals as state
    (chain_id, proposal_id, proposer, description, vote_start, vote_end, step, eta, against, in_favour, abstained,
     updated_block)
select $1::bigint, proposal_id, coalesce(terms.proposer, before.proposer),
       coalesce(terms.description, before.description), coalesce(terms.vote_start, before.vote_start),
       coalesce(terms.vote_end, before.vote_end), coalesce(lasts.step, before.step),
       coalesce(to_timestamp(touched.eta::bigint), before.eta),
       coalesce(before.against, 0) + coalesce(votes.against, 0),
       coalesce(before.in_favour, 0) + coalesce(votes.in_favour, 0),
       coalesce(before.abstained, 0) + coalesce(votes.abstained, 0), touched.block_number
from touched
left join lasts using (proposal_id)
left join votes using (proposal_id)
left join terms using (proposal_id)
left join (select * from blockchain.proposals where chain_id = $1) before using (proposal_id)
where terms.proposal_id is not null or before.proposal_id is not null
on conflict (chain_id, proposal_id) do update
set step = excluded.step, eta = excluded.eta, against = excluded.against, in_favour = excluded.in_favour,
    abstained = excluded.abstained, updated_block = excluded.updated_block;

-- touched -- proposals with any step or vote from one block on
select array_agg(distinct proposal_id) from (
    select proposal_id from blockchain.fact_trace_governor_proposal_created where chain_id = $1 and block_number >= $2
    union all
    select proposal_id from blockchain.fact_trace_governor_proposal_queued where chain_id = $1 and block_number >= $2
    union all
    select proposal_id from blockchain.fact_trace_governor_proposal_executed where chain_id = $1 and block_number >= $2
    union all
    select proposal_id from blockchain.fact_trace_governor_proposal_canceled where chain_id = $1 and block_number >= $2
    union all
    select proposal_id from blockchain.proposal_votes where chain_id = $1 and block_number >= $2
) step;

-- clear -- forget proposals
delete from blockchain.proposals where chain_id = $1 and proposal_id = any ($2::numeric[]);
