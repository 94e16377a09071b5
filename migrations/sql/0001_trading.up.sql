create schema if not exists trading;

create table if not exists trading.events (
    sequence      bigint primary key,
    kind          text not null check (kind in ('order_accepted', 'order_cancelled', 'auction_cleared')),
    subject       bytea not null,
    payload       bytea not null,
    previous_hash blockchain.evm_hash not null,
    hash          blockchain.evm_hash not null unique,
    accepted_at   timestamptz not null
);
comment on table trading.events is 'The market''s truth: a hash chain of everything accepted, in order; the books are derived from it';
comment on column trading.events.hash is 'sha256(previous_hash || sequence (8 bytes) || kind || 0 || subject || payload)';

create table if not exists trading.orders (
    digest         blockchain.evm_hash primary key,
    order_id       text generated always as ('0x' || encode(digest, 'hex')) stored,
    sequence       bigint not null unique,
    trader         blockchain.evm_address not null,
    side           text not null check (side in ('buy', 'sell')),
    zone           bigint not null,
    delivery_start timestamptz not null,
    energy_wh      bigint not null check (energy_wh > 0),
    limit_price_per_kwh bigint not null,
    min_fill_wh    bigint not null default 0 check (min_fill_wh between 0 and energy_wh),
    time_in_force  smallint not null,
    source         smallint not null,
    expiry         bigint not null,
    lane           integer not null,
    nonce          bigint not null,
    signature      bytea not null check (octet_length(signature) = 65),
    status         text not null default 'open' check (status in ('open', 'cancelled', 'matched', 'unmatched')),
    matched_wh     bigint not null default 0 check (matched_wh between 0 and energy_wh),
    locked_cash    numeric(78, 0) not null default 0 check (locked_cash >= 0),
    received_at    timestamptz not null,
    unique (trader, lane, nonce)
);
create index if not exists orders_book on trading.orders (zone, delivery_start, sequence);
create index if not exists orders_trader on trading.orders (trader, sequence desc);
create index if not exists orders_locked on trading.orders (trader) where locked_cash > 0;
create index if not exists orders_open on trading.orders (zone, delivery_start, trader) where status = 'open';
create index if not exists orders_lane on trading.orders (trader, lane, nonce desc) where status in ('open', 'matched');
comment on column trading.orders.locked_cash is
    'Vault cash that this order may still cost its trader; freed when unmatched, cancelled or settled on chain';

create table if not exists trading.auctions (
    auction_id     bigint generated always as identity primary key,
    zone           bigint not null,
    delivery_start timestamptz not null,
    slot_s         integer not null,
    gate_closed_at timestamptz not null,
    clearing_price_per_kwh bigint,
    price_low_per_kwh  bigint,
    price_high_per_kwh bigint,
    grid_fee_per_kwh   bigint not null,
    order_count    integer not null,
    matched_wh     bigint not null,
    book           bytea not null,
    book_hash      blockchain.evm_hash not null,
    result_hash    blockchain.evm_hash not null,
    cleared_at     timestamptz not null default clock_timestamp(),
    unique (zone, delivery_start)
);
comment on column trading.auctions.book is 'The published order book: canonical bytes from which anyone can run the auction again';

create table if not exists trading.trades (
    trade_id       bigint generated always as identity primary key,
    auction_id     bigint not null references trading.auctions (auction_id),
    trade_number   integer not null,
    zone           bigint not null,
    delivery_start timestamptz not null,
    buy_order      blockchain.evm_hash not null references trading.orders (digest),
    sell_order     blockchain.evm_hash not null references trading.orders (digest),
    buyer          blockchain.evm_address not null,
    seller         blockchain.evm_address not null,
    buyer_id       text generated always as ('0x' || encode(buyer, 'hex')) stored,
    seller_id      text generated always as ('0x' || encode(seller, 'hex')) stored,
    energy_wh      bigint not null check (energy_wh > 0),
    energy_amount  decimal(15, 6) generated always as (energy_wh / 1000.0) stored,
    price_per_kwh  bigint not null,
    price          decimal(15, 6) generated always as (price_per_kwh / 1000000.0) stored,
    delivered_wh   bigint check (delivered_wh between 0 and energy_wh),
    grid_fee_nano  bigint,
    grid_fee       decimal(15, 6) generated always as (grid_fee_nano / 1000000000.0) stored,
    carbon_offset_g bigint,
    carbon_offset  decimal(15, 6) generated always as (carbon_offset_g / 1000.0) stored,
    settlement_status varchar(20) not null default 'pending'
                   check (settlement_status in ('pending', 'submitted', 'settled', 'failed')),
    executed_at    timestamptz not null,
    unique (auction_id, trade_number)
);
create index if not exists trades_slot on trading.trades (zone, delivery_start);
create index if not exists trades_buyer on trading.trades (buyer, delivery_start);
create index if not exists trades_seller on trading.trades (seller, delivery_start);
create index if not exists trades_executed on trading.trades (executed_at);

create or replace view trading.held_orders as
select o.* from trading.orders o
where o.status = 'open' or o.status = 'matched' and exists (
    select from trading.trades t
    where t.zone = o.zone and t.delivery_start = o.delivery_start and t.settlement_status in ('pending', 'submitted')
      and (t.buyer = o.trader and t.buy_order = o.digest or t.seller = o.trader and t.sell_order = o.digest)
);
comment on view trading.held_orders is
    'Orders that still hold their lane and cash: in an open book, or with a trade neither settled nor failed';

-- What is left of a mandate is asked for with every order: answered from this index alone, however long the history.
create index if not exists settled_imbalances_charged
    on blockchain.settled_imbalances (chain_id, account, block_number) include (money) where money < 0;

create table if not exists trading.settlements (
    settlement_id  bigint generated always as identity primary key,
    zone           bigint not null,
    delivery_start timestamptz not null,
    version        integer not null,
    state          text not null check (state in ('computed', 'attested', 'submitted', 'settled', 'failed')),
    batch_sequence bigint unique,
    batch          bytea,
    transaction_hash bytea,
    block_number   bigint,
    gas_used       bigint,
    trades         integer not null,
    traded_wh      bigint not null,
    delivered_wh   bigint not null,
    imbalance_wh   bigint not null,
    grid_exchange_wh bigint not null,
    price_local_per_kwh bigint not null,
    price_long_per_kwh  bigint not null,
    price_short_per_kwh bigint not null,
    grid_fee_nano  bigint not null,
    residue_nano   bigint not null,
    missing_meters integer not null default 0,
    readings_root  blockchain.evm_hash not null,
    result_hash    blockchain.evm_hash not null,
    state_reason   text,
    computed_at    timestamptz not null default clock_timestamp(),
    settled_at     timestamptz,
    unique (zone, delivery_start, version)
);
create index if not exists settlements_open on trading.settlements (state) where state not in ('settled', 'failed');

create table if not exists trading.settlement_accounts (
    settlement_id  bigint not null references trading.settlements (settlement_id),
    account        blockchain.evm_address not null,
    bought_wh      bigint not null,
    sold_wh        bigint not null,
    injection_wh   bigint not null,
    withdrawal_wh  bigint not null,
    imbalance_wh   bigint not null,
    netted_wh      bigint not null,
    trade_money_nano bigint not null,
    grid_fee_nano  bigint not null,
    imbalance_money_nano bigint not null,
    state          text not null check (state in ('metered', 'missing')),
    primary key (settlement_id, account)
);
comment on column trading.settlement_accounts.trade_money_nano is 'Positive: received. Exact, before rounding at pay-out';
