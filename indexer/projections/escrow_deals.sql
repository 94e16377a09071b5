-- fold -- each deal's terms, the state it is in, and what has been collected
with steps as (
    select deal_id, block_number, log_index, 'open' as state, extract(epoch from block_time)::bigint as since,
           null::numeric as share
    from blockchain.fact_escrow_deal_opened where chain_id = $1 and block_number between $2 and $3
    union all
    select deal_id, block_number, log_index, 'delivered', extract(epoch from block_time)::bigint, null
    from blockchain.fact_escrow_delivery_declared where chain_id = $1 and block_number between $2 and $3
    union all
    select deal_id, block_number, log_index, 'disputed', extract(epoch from block_time)::bigint, null
    from blockchain.fact_escrow_dispute_raised where chain_id = $1 and block_number between $2 and $3
    union all
    select deal_id, block_number, log_index, 'released', null, amount
    from blockchain.fact_escrow_released where chain_id = $1 and block_number between $2 and $3
    union all
    select deal_id, block_number, log_index, 'refunded', null, 0
    from blockchain.fact_escrow_refunded where chain_id = $1 and block_number between $2 and $3
    union all
    select deal_id, block_number, log_index, 'resolved', null, payee_share
    from blockchain.fact_escrow_dispute_resolved where chain_id = $1 and block_number between $2 and $3
    union all
    select deal_id, block_number, log_index, null, null, null
    from blockchain.fact_escrow_collected where chain_id = $1 and block_number between $2 and $3
),
chosen as (
    select * from steps where $4::bytea[] is null or deal_id = any ($4)
),
touched as (
    select deal_id, max(block_number) as block_number from chosen group by deal_id
),
states as (
    select distinct on (deal_id) deal_id, state, share
    from chosen where state is not null order by deal_id, block_number desc, log_index desc
),
times as (
    select distinct on (deal_id) deal_id, since
    from chosen where since is not null order by deal_id, block_number desc, log_index desc
),
collections as (
    select deal_id, array_agg(party) as parties
    from blockchain.fact_escrow_collected
    where chain_id = $1 and block_number between $2 and $3 and ($4::bytea[] is null or deal_id = any ($4))
    group by deal_id
),
terms as (
    select distinct on (deal_id) *
    from blockchain.fact_escrow_deal_opened
    where chain_id = $1 and block_number between $2 and $3 and ($4::bytea[] is null or deal_id = any ($4))
    order by deal_id, block_number desc, log_index desc
)
insert into blockchain.escrow_deals as state
    (chain_id, deal_id, payer, payee, arbiter, amount, deliver_by, review_seconds, arbitration_seconds, silence_bps,
     terms_hash, subject, state, since, payee_share, payer_paid, payee_paid, updated_block)
select $1::bigint, deal_id,
       coalesce(terms.payer, before.payer), coalesce(terms.payee, before.payee),
       coalesce(terms.arbiter, before.arbiter), coalesce(terms.amount, before.amount),
       coalesce(to_timestamp(terms.deliver_by), before.deliver_by),
       coalesce(terms.review_seconds, before.review_seconds),
       coalesce(terms.arbitration_seconds, before.arbitration_seconds),
       coalesce(terms.silence_bps, before.silence_bps), coalesce(terms.terms_hash, before.terms_hash),
       coalesce(terms.subject, before.subject),
       coalesce(states.state, before.state), coalesce(to_timestamp(times.since), before.since),
       coalesce(states.share, before.payee_share, 0),
       coalesce(before.payer_paid, false) or coalesce(coalesce(terms.payer, before.payer) = any (parties), false),
       coalesce(before.payee_paid, false) or coalesce(coalesce(terms.payee, before.payee) = any (parties), false),
       touched.block_number
from touched
left join states using (deal_id)
left join times using (deal_id)
left join collections using (deal_id)
left join terms using (deal_id)
left join (select * from blockchain.escrow_deals where chain_id = $1) before using (deal_id)
where terms.deal_id is not null or before.deal_id is not null
on conflict (chain_id, deal_id) do update
set state = excluded.state, since = excluded.since, payee_share = excluded.payee_share,
    payer_paid = excluded.payer_paid, payee_paid = excluded.payee_paid, updated_block = excluded.updated_block;

-- touched -- deals with any step from one block on
select array_agg(distinct deal_id) from (
    select deal_id from blockchain.fact_escrow_deal_opened where chain_id = $1 and block_number >= $2
    union all
    select deal_id from blockchain.fact_escrow_delivery_declared where chain_id = $1 and block_number >= $2
    union all
    select deal_id from blockchain.fact_escrow_dispute_raised where chain_id = $1 and block_number >= $2
    union all
    select deal_id from blockchain.fact_escrow_released where chain_id = $1 and block_number >= $2
    union all
    select deal_id from blockchain.fact_escrow_refunded where chain_id = $1 and block_number >= $2
    union all
    select deal_id from blockchain.fact_escrow_dispute_resolved where chain_id = $1 and block_number >= $2
    union all
    select deal_id from blockchain.fact_escrow_collected where chain_id = $1 and block_number >= $2
) step;

-- clear -- forget deals
delete from blockchain.escrow_deals where chain_id = $1 and deal_id = any ($2::bytea[]);
