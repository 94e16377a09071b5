-- fold -- the last ParticipantSet of each account
insert into blockchain.participants as state (chain_id, account, kyc_until, flags, country, updated_block)
select distinct on (account)
    chain_id, account, to_timestamp(least(kyc_until, 253402300799)::bigint), flags, country, block_number
from blockchain.fact_participant_registry_participant_set
where chain_id = $1 and block_number between $2 and $3 and ($4::bytea[] is null or account = any ($4))
order by account, block_number desc, log_index desc
on conflict (chain_id, account) do update
set kyc_until = excluded.kyc_until, flags = excluded.flags, country = excluded.country,
    updated_block = excluded.updated_block;

-- touched -- accounts set from one block on
select array_agg(distinct account) from blockchain.fact_participant_registry_participant_set
where chain_id = $1 and block_number >= $2;

-- clear -- forget accounts
delete from blockchain.participants where chain_id = $1 and account = any ($2::bytea[]);
