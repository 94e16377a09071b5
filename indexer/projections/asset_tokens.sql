-- fold -- each asset's token: whose it is, its papers, what of it is for sale, its revenue
with wanted as (
    select asset as token from blockchain.fact_asset_factory_asset_created
    where chain_id = $1 and block_number between $2 and $3
    union select emitter from blockchain.fact_asset_token_offer_set
    where chain_id = $1 and block_number between $2 and $3
    union select emitter from blockchain.fact_asset_token_fractions_bought
    where chain_id = $1 and block_number between $2 and $3
    union select emitter from blockchain.fact_asset_token_revenue_deposited
    where chain_id = $1 and block_number between $2 and $3
    union select emitter from blockchain.fact_asset_token_documents_set
    where chain_id = $1 and block_number between $2 and $3
    union select emitter from blockchain.fact_asset_token_ownership_transferred
    where chain_id = $1 and block_number between $2 and $3
), changed as (
    select token from wanted where $4::bytea[] is null or token = any ($4)
)
insert into blockchain.asset_tokens as state (
    chain_id, token, asset_id, plant_id, owner, supply, name, symbol, documents_root, metadata_uri,
    offer_price, offer_fractions, offer_until, revenue, updated_block
)
select $1, made.asset, made.asset_id, made.plant_id, coalesce(owned.new_owner, made.owner), made.supply, made.name,
    made.symbol, coalesce(papers.root, made.documents_root), coalesce(papers.metadata_uri, made.metadata_uri),
    offer.price, coalesce(offer.fractions - offer.sold, 0), offer.until, revenue.amount,
    greatest(made.block_number, owned.block_number, papers.block_number, offer.block_number, revenue.block_number)
from changed
join blockchain.fact_asset_factory_asset_created made
    on made.chain_id = $1 and made.asset = changed.token and made.block_number <= $3
left join lateral (
    select t.new_owner, t.block_number, t.log_index from blockchain.fact_asset_token_ownership_transferred t
    where t.chain_id = $1 and t.emitter = changed.token and t.block_number <= $3
    order by t.block_number desc, t.log_index desc limit 1
) owned on true
left join lateral (
    select d.root, d.metadata_uri, d.block_number from blockchain.fact_asset_token_documents_set d
    where d.chain_id = $1 and d.emitter = changed.token and d.block_number <= $3
    order by d.block_number desc, d.log_index desc limit 1
) papers on true
left join lateral (
    -- A new owner's asset has no offer until he makes one.
    select o.price, o.fractions, to_timestamp(least(o.until, 253402300799)::bigint) as until,
        coalesce(greatest(o.block_number, bought.block_number), o.block_number) as block_number,
        coalesce(bought.fractions, 0) as sold
    from blockchain.fact_asset_token_offer_set o
    cross join lateral (
        select sum(b.fractions) as fractions, max(b.block_number) as block_number
        from blockchain.fact_asset_token_fractions_bought b
        where b.chain_id = $1 and b.emitter = changed.token and b.block_number <= $3
          and (b.block_number, b.log_index) > (o.block_number, o.log_index)
    ) bought
    where o.chain_id = $1 and o.emitter = changed.token and o.block_number <= $3
      and (owned.block_number is null or (o.block_number, o.log_index) > (owned.block_number, owned.log_index))
    order by o.block_number desc, o.log_index desc limit 1
) offer on true
cross join lateral (
    select coalesce(sum(r.amount), 0) as amount, max(r.block_number) as block_number
    from blockchain.fact_asset_token_revenue_deposited r
    where r.chain_id = $1 and r.emitter = changed.token and r.block_number <= $3
) revenue
on conflict (chain_id, token) do update
set owner = excluded.owner, documents_root = excluded.documents_root, metadata_uri = excluded.metadata_uri,
    offer_price = excluded.offer_price, offer_fractions = excluded.offer_fractions, offer_until = excluded.offer_until,
    revenue = excluded.revenue, updated_block = excluded.updated_block;

-- touched -- tokens with anything of this from one block on
select array_agg(distinct token) from (
    select asset as token from blockchain.fact_asset_factory_asset_created where chain_id = $1 and block_number >= $2
    union select emitter from blockchain.fact_asset_token_offer_set where chain_id = $1 and block_number >= $2
    union select emitter from blockchain.fact_asset_token_fractions_bought where chain_id = $1 and block_number >= $2
    union select emitter from blockchain.fact_asset_token_revenue_deposited where chain_id = $1 and block_number >= $2
    union select emitter from blockchain.fact_asset_token_documents_set where chain_id = $1 and block_number >= $2
    union select emitter from blockchain.fact_asset_token_ownership_transferred
    where chain_id = $1 and block_number >= $2
) touched;

-- clear -- forget tokens
delete from blockchain.asset_tokens where chain_id = $1 and token = any ($2::bytea[]);
