-- fold -- each certificate: whose it is, and whether it lives, is retired or revoked
with steps as (
    select code, block_number, log_index, issuer, 'live' as state, null::bytea as reason
    from blockchain.fact_certificates_certificate_issued where chain_id = $1 and block_number between $2 and $3
    union all
    select code, block_number, log_index, null, 'retired', purpose
    from blockchain.fact_certificates_certificate_retired where chain_id = $1 and block_number between $2 and $3
    union all
    select code, block_number, log_index, null, 'revoked', reason
    from blockchain.fact_certificates_certificate_revoked where chain_id = $1 and block_number between $2 and $3
),
moves as (
    select distinct on (token_id) token_id as code, "to" as owner, block_number
    from blockchain.fact_certificates_transfer
    where chain_id = $1 and block_number between $2 and $3 and ($4::numeric[] is null or token_id = any ($4))
    order by token_id, block_number desc, log_index desc
),
states as (
    select distinct on (code) code, state, reason, block_number
    from steps where $4::numeric[] is null or code = any ($4)
    order by code, block_number desc, log_index desc
),
issues as (
    select code, max(issuer) as issuer from steps where issuer is not null group by code
)
insert into blockchain.certificates as row (chain_id, code, owner, issuer, state, reason, updated_block)
select $1::bigint, code, coalesce(moves.owner, before.owner), coalesce(issues.issuer, before.issuer),
       coalesce(states.state, before.state), coalesce(states.reason, before.reason),
       greatest(states.block_number, moves.block_number)
from states
full join moves using (code)
left join issues using (code)
left join (select * from blockchain.certificates where chain_id = $1) before using (code)
where issues.issuer is not null or before.code is not null
on conflict (chain_id, code) do update
set owner = excluded.owner, state = excluded.state, reason = excluded.reason, updated_block = excluded.updated_block;

-- touched -- certificates with any event from one block on
select array_agg(distinct code) from (
    select code from blockchain.fact_certificates_certificate_issued where chain_id = $1 and block_number >= $2
    union all
    select code from blockchain.fact_certificates_certificate_retired where chain_id = $1 and block_number >= $2
    union all
    select code from blockchain.fact_certificates_certificate_revoked where chain_id = $1 and block_number >= $2
    union all
    select token_id from blockchain.fact_certificates_transfer where chain_id = $1 and block_number >= $2
) step;

-- clear -- forget certificates
delete from blockchain.certificates where chain_id = $1 and code = any ($2::numeric[]);
