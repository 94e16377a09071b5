-- fold -- a row for each vote
insert into blockchain.proposal_votes
    (chain_id, block_number, log_index, transaction_hash, block_time, proposal_id, voter, support, weight, reason)
select chain_id, block_number, log_index, transaction_hash, block_time, proposal_id, voter, support, weight, reason
from blockchain.fact_trace_governor_vote_cast
where chain_id = $1 and block_number between $2 and $3
union all
select chain_id, block_number, log_index, transaction_hash, block_time, proposal_id, voter, support, weight, reason
from blockchain.fact_trace_governor_vote_cast_with_params
where chain_id = $1 and block_number between $2 and $3;

-- unfold -- votes from one block on are gone
delete from blockchain.proposal_votes where chain_id = $1 and block_number >= $2;
