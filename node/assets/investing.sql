-- lock_asset -- one purchase of an asset is judged at a time
select id from assets.assets where id = $1 for update;

-- known -- the transaction of this very purchase
select outbox_id from assets.purchases where asset_id = $1 and buyer = $2 and nonce = $3 and deadline = to_timestamp($4::bigint);

-- is_cleared -- whether the registry lets the account hold fractions at a time
select exists (
    select from blockchain.participants
    where chain_id = $1 and account = $2 and kyc_until >= $3 and flags & 4 = 0
);

-- on_their_way -- fractions of purchases that are sent and not mirrored yet; one that waits is not believed for long
select coalesce(sum(p.fractions), 0) from assets.purchases p join wallet.outbox o on o.id = p.outbox_id
where p.asset_id = $1 and (
    o.state in ('signed', 'sent', 'mined') or o.state = 'queued' and p.asked_at > clock_timestamp() - interval '15 s'
) and not exists (
    select from blockchain.asset_purchases b
    where b.transaction_hash = o.transaction_hash or b.transaction_hash = any (o.replaced_hashes)
);

-- wallet -- payment token units that an account holds outside of the vault
select coalesce((
    select balance from blockchain.token_balances where chain_id = $1 and token = $2 and account = $3
), 0);

-- asked -- a purchase was passed on
insert into assets.purchases (outbox_id, asset_id, buyer, fractions, max_cost, nonce, deadline)
values ($1, $2, $3, $4, $5, $6, to_timestamp($7::bigint));

-- investments -- a page of purchases, newest first
select i.asset_id, a.name, i.buyer, i.fractions, i.price, i.cost, decode(substr(i.transaction_hash, 3), 'hex')
    as transaction_hash, i.block_number, i.log_index, i.invested_at
from assets.investments i join assets.assets a on a.id = i.asset_id
where i.chain_id = $1 and ($2::bytea is null or i.buyer = $2) and ($3::uuid is null or i.asset_id = $3)
  and ($4::bigint is null or (i.block_number, i.log_index) < ($4::bigint, $5::bigint))
order by i.block_number desc, i.log_index desc limit $6;

-- portfolio -- what an account holds or held of each asset, and its revenue, exact as the token computes it
with moves as materialized (
    select emitter as token, block_number, log_index, value as delta from blockchain.fact_asset_token_transfer
    where chain_id = $1 and "to" = $2
    union all
    select emitter, block_number, log_index, -value from blockchain.fact_asset_token_transfer
    where chain_id = $1 and "from" = $2
), mine as materialized (
    select token, sum(delta) as fractions, row_number() over () as number from moves group by token
), line as (
    -- Each event with the revenue of one fraction up to it: that only grows. Numbers are sorted faster than addresses.
    select number, delta, rate, max(rate) over (partition by number order by block_number, log_index) as before
    from (
        select mine.number, block_number, log_index, delta, null::numeric as rate from moves join mine using (token)
        union all
        select mine.number, d.block_number, d.log_index, null, d.revenue_per_fraction
        from blockchain.fact_asset_token_revenue_deposited d join mine on mine.token = d.emitter
        where d.chain_id = $1
    ) events
), earned as (
    -- In units of 2^-60: of what he has now all revenue there was, less what came before each fraction was his.
    select number, coalesce(max(rate), 0) * sum(delta) - coalesce(sum(delta * before), 0) as units
    from line group by number
), claims as (
    select emitter as token, sum(amount) as amount from blockchain.fact_asset_token_revenue_claimed
    where chain_id = $1 and account = $2 group by emitter
), forced as (
    select emitter as token, sum(case when "to" = $2 then revenue else -revenue end) as amount
    from blockchain.fact_asset_token_forced_transfer
    where chain_id = $1 and ("from" = $2 or "to" = $2) and "from" <> "to" group by emitter
), bought as (
    select token, sum(cost) as cost from blockchain.asset_purchases
    where chain_id = $1 and buyer = $2 group by token
)
select a.id as asset_id, t.token, a.name, t.symbol, mine.fractions, t.supply, coalesce(bought.cost, 0) as invested,
    coalesce(claims.amount, 0) as claimed,
    div(coalesce(earned.units, 0), 1152921504606846976) + coalesce(forced.amount, 0) - coalesce(claims.amount, 0)
        as claimable,
    y.price as last_price, y.yield_bp
from mine
join blockchain.asset_tokens t on t.chain_id = $1 and t.token = mine.token
join assets.assets a on a.token_id = t.asset_id
left join earned on earned.number = mine.number
left join claims on claims.token = mine.token
left join forced on forced.token = mine.token
left join bought on bought.token = mine.token
left join assets.yields y on y.chain_id = $1 and y.asset_id = a.id
order by a.name, a.token_id;

-- yearly -- what an asset paid in a year over its last price
select yield_bp from assets.yields where chain_id = $1 and asset_id = $2;

-- cap_table -- who holds an asset now
select account, balance as fractions from blockchain.token_balances
where chain_id = $1 and token = $2 and balance > 0 order by balance desc, account;

-- cap_table_at -- who held an asset after a block
select account, sum(delta) as fractions from (
    select "to" as account, value as delta from blockchain.fact_asset_token_transfer
    where chain_id = $1 and emitter = $2 and block_number <= $3
    union all
    select "from", -value from blockchain.fact_asset_token_transfer
    where chain_id = $1 and emitter = $2 and block_number <= $3
) moves
where account <> decode('0000000000000000000000000000000000000000', 'hex')
group by account having sum(delta) > 0 order by 2 desc, 1;

-- holds -- whether an account has fractions of an asset
select exists (
    select from blockchain.token_balances
    where chain_id = $1 and token = $2::bytea and account = $3 and balance > 0
);

-- decided -- what became of purchases since their buyers were told: a reorganisation may take it back for a day
with seen as (
    select p.outbox_id, case
            when exists (
                select from blockchain.asset_purchases b
                where b.chain_id = $1
                  and (b.transaction_hash = o.transaction_hash or b.transaction_hash = any (o.replaced_hashes))
            ) then 'bought'
            when o.state = 'failed' and o.raw_transaction is null then 'failed'
        end as outcome
    from assets.purchases p join wallet.outbox o on o.id = p.outbox_id
    where p.outcome is null or p.outcome = 'bought' and p.asked_at > clock_timestamp() - interval '1 day'
)
update assets.purchases p set outcome = seen.outcome
from seen where seen.outbox_id = p.outbox_id and seen.outcome is distinct from p.outcome
returning p.asset_id, p.buyer, p.fractions, seen.outcome;

-- owed -- cleared holders of an asset who have revenue to be paid ($4 at most), the most first, as the token computes it
with moves as materialized (
    select "to" as account, block_number, log_index, value as delta from blockchain.fact_asset_token_transfer
    where chain_id = $1 and emitter = $2
    union all
    select "from", block_number, log_index, -value from blockchain.fact_asset_token_transfer
    where chain_id = $1 and emitter = $2 and "from" <> decode(repeat('00', 20), 'hex')
), line as (
    select account, delta, coalesce(max(rate) over (), 0)
        - coalesce(max(rate) over (order by block_number, log_index), 0) as since
    from (
        select account, block_number, log_index, delta, null::numeric as rate from moves
        union all
        select null, block_number, log_index, null, revenue_per_fraction
        from blockchain.fact_asset_token_revenue_deposited where chain_id = $1 and emitter = $2
    ) events
), earned as (
    select account, div(sum(delta * since), 1152921504606846976) as amount from line where delta is not null
    group by account
), taken as (
    select account, sum(amount) as amount from (
        select account, amount from blockchain.fact_asset_token_revenue_claimed where chain_id = $1 and emitter = $2
        union all
        select "from", revenue from blockchain.fact_asset_token_forced_transfer where chain_id = $1 and emitter = $2
        union all
        select "to", -revenue from blockchain.fact_asset_token_forced_transfer where chain_id = $1 and emitter = $2
    ) paid group by account
)
select e.account from earned e
left join taken using (account)
join blockchain.participants p on p.chain_id = $1 and p.account = e.account and p.kyc_until >= $3 and p.flags & 4 = 0
where e.amount - coalesce(taken.amount, 0) > 0
order by e.amount - coalesce(taken.amount, 0) desc, e.account limit $4;
