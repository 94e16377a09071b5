alter table trading.events drop constraint if exists events_kind_check;
alter table trading.events add constraint events_kind_check check (kind in (
    'order_accepted', 'order_cancelled', 'order_expired', 'gate_closed', 'auction_cleared', 'day_ahead_cleared'
));
-- Whoever follows the sequence is woken by every transaction that adds to it.
create or replace function trading.tell_events() returns trigger language plpgsql as $$
begin
    perform pg_notify('gridtrace_market', '');
    return null;
end $$;
drop trigger if exists events_told on trading.events;
create trigger events_told after insert on trading.events for each statement execute function trading.tell_events();

alter table trading.orders
    add column if not exists post_only boolean not null default false,
    add column if not exists display_wh bigint not null default 0 check (display_wh >= 0),
    add column if not exists self_trade smallint not null default 0 check (self_trade between 0 and 3),
    add column if not exists good_till bigint not null default 0,
    add column if not exists replaces blockchain.evm_hash,
    add column if not exists block blockchain.evm_hash,
    add column if not exists taken_wh bigint not null default 0,
    add column if not exists shown_wh bigint not null default 0,
    add column if not exists close_reason text;
alter table trading.orders drop constraint if exists orders_status_check;
alter table trading.orders add constraint orders_status_check
    check (status in ('open', 'cancelled', 'matched', 'unmatched', 'expired'));
alter table trading.orders drop constraint if exists orders_taken_check;
alter table trading.orders add constraint orders_taken_check check (taken_wh between 0 and energy_wh);
comment on column trading.orders.taken_wh is
    'What is not left of the order for the rest of the book and the auction: traded before the gate, here or in the order that it replaces, or cancelled';
comment on column trading.orders.shown_wh is 'What the open book shows of the order; 0 until the engine has seen it';
comment on column trading.orders.close_reason is 'Why what was left of the order left the continuous book';
create index if not exists orders_good_till on trading.orders (good_till) where status = 'open' and good_till > 0;
create index if not exists orders_shown on trading.orders (zone, delivery_start, side, limit_price_per_kwh) where shown_wh > 0;

alter table trading.trades alter column auction_id drop not null;
alter table trading.trades add column if not exists kind text not null default 'auction'
    check (kind in ('auction', 'continuous', 'day_ahead'));
alter table trading.trades add column if not exists sequence bigint;
alter table trading.trades drop constraint if exists trades_kind_auction;
alter table trading.trades add constraint trades_kind_auction
    check ((kind = 'auction') = (auction_id is not null) and (kind = 'continuous') = (sequence is not null));
create unique index if not exists trades_numbered on trading.trades (zone, delivery_start, trade_number);
comment on column trading.trades.sequence is 'The event that made a continuous trade; none for one made by an auction';

create table if not exists trading.books (
    area           bigint not null,
    delivery_start timestamptz not null,
    revision       bigint not null,
    sequence       bigint not null,
    trades         integer not null,
    terms          bytea not null,
    fills_hash     blockchain.evm_hash not null,
    primary key (area, delivery_start)
);
create index if not exists books_slot on trading.books (delivery_start);
comment on table trading.books is 'What the engine has published of each continuous book: changes and trades, counted without gaps';
comment on column trading.books.sequence is 'The last event that changed the book';
comment on column trading.books.terms is
    'Zones, fees, capacities and price of shortage that hold for the slot, as its log publishes them: set by its first order';
comment on column trading.books.fills_hash is 'Of every fill so far, each hashed with the hash before it';

create table if not exists trading.slot_logs (
    area           bigint not null,
    delivery_start timestamptz not null,
    log            bytea not null,
    log_hash       blockchain.evm_hash not null,
    replay_hash    blockchain.evm_hash not null,
    primary key (area, delivery_start)
);
comment on table trading.slot_logs is 'Published when the gate closes: every event of the slot, from which anyone can match its orders again';
