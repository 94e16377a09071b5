-- A day of the market may have 23 or 25 hours; orders from before its session's gate and event belong to the session.
alter table trading.day_ahead_auctions
    add column if not exists ends_at timestamptz,
    add column if not exists sequence bigint;
update trading.day_ahead_auctions d
set ends_at = d.day + interval '24 hours', sequence = coalesce((
    select min(e.sequence) from trading.events e
    where e.kind = 'day_ahead_cleared'
      and e.subject = substring(int8send(d.area) from 5) || int8send(extract(epoch from d.day)::bigint)
), 0)
where d.ends_at is null;
alter table trading.day_ahead_auctions alter column ends_at set not null, alter column sequence set not null;
comment on column trading.day_ahead_auctions.day is 'When the day of delivery begins, on the market''s calendar';
comment on column trading.day_ahead_auctions.ends_at is 'When the next day begins';
comment on column trading.day_ahead_auctions.sequence is
    'The event that says that it was cleared: orders accepted before it and before the gate are done with';

create table if not exists trading.day_ahead_terms (
    area           bigint not null,
    delivery_start timestamptz not null,
    zones          bigint[] not null,
    trades         integer not null,
    terms          bytea not null,
    primary key (area, delivery_start)
);
create index if not exists day_ahead_terms_slot on trading.day_ahead_terms (delivery_start);
comment on table trading.day_ahead_terms is
    'What day-ahead auctions left of the slots that had orders: zones, fees and capacities that hold for the slot''s own market';
comment on column trading.day_ahead_terms.trades is 'How many trades they made there: later ones are numbered after them';

create or replace function trading.waiting(in_zones bigint[], of_slot timestamptz, until_sequence bigint)
returns table (
    sequence bigint, zone bigint, side text, left_wh bigint, limit_price_per_kwh bigint, least_wh bigint, shown_wh bigint
)
language sql stable security definer set search_path = pg_catalog as $$
    select o.sequence, o.zone, o.side, o.energy_wh - o.taken_wh, o.limit_price_per_kwh,
        case when o.taken_wh > 0 then 0 else o.min_fill_wh end, o.shown_wh
    from trading.orders o
    where o.zone = any (in_zones) and o.delivery_start = of_slot and o.status = 'open' and o.block is null
      and o.sequence <= until_sequence and exists (select from trading.books b where b.delivery_start = of_slot)
$$;
comment on function trading.waiting is 'What is left of the orders of continuous books, for their closing auction';

create table if not exists trading.market_areas (
    is_only    boolean primary key default true check (is_only),
    areas_hash blockchain.evm_hash not null,
    agreed_at  timestamptz not null default now()
);
comment on table trading.market_areas is
    'The zones, fees and capacities that the market runs with: a node that was started with others does not lead';
