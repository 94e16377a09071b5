create table if not exists blockchain.asset_tokens (
    chain_id        bigint not null,
    token           blockchain.evm_address not null,
    asset_id        bigint not null,
    plant_id        blockchain.evm_hash not null,
    owner           blockchain.evm_address not null,
    supply          numeric(78, 0) not null,
    name            text not null,
    symbol          text not null,
    documents_root  blockchain.evm_hash not null,
    metadata_uri    text not null,
    offer_price     numeric(78, 0),
    offer_fractions numeric(78, 0) not null,
    offer_until     timestamptz,
    revenue         numeric(78, 0) not null,
    updated_block   bigint not null,
    primary key (chain_id, token)
);
create unique index if not exists asset_tokens_asset on blockchain.asset_tokens (chain_id, asset_id);
comment on column blockchain.asset_tokens.offer_fractions is 'Still for sale, until offer_until';

create table if not exists blockchain.asset_purchases (
    chain_id         bigint not null,
    block_number     bigint not null,
    log_index        bigint not null,
    transaction_hash blockchain.evm_hash not null,
    block_time       timestamptz not null,
    token            blockchain.evm_address not null,
    buyer            blockchain.evm_address not null,
    seller           blockchain.evm_address not null,
    fractions        numeric(78, 0) not null,
    price            numeric(78, 0) not null,
    cost             numeric(78, 0) not null,
    primary key (chain_id, block_number, log_index)
);
create index if not exists asset_purchases_buyer on blockchain.asset_purchases (chain_id, buyer, token);
create index if not exists asset_purchases_token on blockchain.asset_purchases (chain_id, token, block_number);

-- A row for each purchase that stands on chain: what a reorganisation takes away is no investment.
create or replace view assets.investments with (security_invoker = true) as
select
    md5(p.chain_id || ':' || p.block_number || ':' || p.log_index)::uuid as id,
    u.id as user_id,
    a.id as asset_id,
    p.fractions::decimal(20, 8) as amount_tokens,
    (p.price / 1000000.0)::decimal(20, 8) as purchase_price,
    ('0x' || encode(p.transaction_hash, 'hex'))::varchar(66) as transaction_hash,
    p.block_time as invested_at,
    p.chain_id, p.block_number, p.log_index, p.token, p.buyer, p.fractions, p.price, p.cost
from blockchain.asset_purchases p
join blockchain.asset_tokens t on t.chain_id = p.chain_id and t.token = p.token
join assets.assets a on a.token_id = t.asset_id
left join identity.users u on u.wallet = p.buyer;
comment on column assets.investments.purchase_price is 'For one fraction';
