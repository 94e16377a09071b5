-- fold -- each vintage of a project: its cap and document as last set, and what was issued and retired of it
with moved as (
    select id, block_number, amount_g as issued_g, 0::numeric as retired_g
    from blockchain.fact_carbon_credits_credits_issued where chain_id = $1 and block_number between $2 and $3
    union all
    select id, block_number, 0, amount_g
    from blockchain.fact_carbon_credits_credits_retired where chain_id = $1 and block_number between $2 and $3
    union all
    select id, block_number, 0, 0
    from blockchain.fact_carbon_credits_vintage_set where chain_id = $1 and block_number between $2 and $3
),
totals as (
    select id, sum(issued_g) as issued_g, sum(retired_g) as retired_g, max(block_number) as block_number
    from moved where $4::numeric[] is null or id = any ($4)
    group by id
),
terms as (
    select distinct on (id) id, project, vintage, cap_g, document
    from blockchain.fact_carbon_credits_vintage_set
    where chain_id = $1 and block_number between $2 and $3
    order by id, block_number desc, log_index desc
)
insert into blockchain.carbon_vintages as state
    (chain_id, id, project, vintage, cap_g, document, issued_g, retired_g, updated_block)
select $1::bigint, id, coalesce(terms.project, before.project), coalesce(terms.vintage, before.vintage),
       coalesce(terms.cap_g, before.cap_g), coalesce(terms.document, before.document),
       totals.issued_g, totals.retired_g, totals.block_number
from totals
left join terms using (id)
left join (select * from blockchain.carbon_vintages where chain_id = $1) before using (id)
on conflict (chain_id, id) do update
set project = excluded.project, vintage = excluded.vintage, cap_g = excluded.cap_g, document = excluded.document,
    issued_g = state.issued_g + excluded.issued_g, retired_g = state.retired_g + excluded.retired_g,
    updated_block = excluded.updated_block;

-- touched -- vintages with any event from one block on
select array_agg(distinct id) from (
    select id from blockchain.fact_carbon_credits_credits_issued where chain_id = $1 and block_number >= $2
    union all
    select id from blockchain.fact_carbon_credits_credits_retired where chain_id = $1 and block_number >= $2
    union all
    select id from blockchain.fact_carbon_credits_vintage_set where chain_id = $1 and block_number >= $2
) event;

-- clear -- forget vintages
delete from blockchain.carbon_vintages where chain_id = $1 and id = any ($2::numeric[]);
