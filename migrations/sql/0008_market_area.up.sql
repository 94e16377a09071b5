-- A trade may cross from one zone to another; what the buyer pays beside the price stands with it.
alter table trading.trades add column if not exists fee_per_kwh bigint;
alter table trading.trades add column if not exists rent_per_kwh bigint not null default 0 check (rent_per_kwh >= 0);
alter table trading.trades add column if not exists sell_zone bigint;
update trading.trades t set fee_per_kwh = a.grid_fee_per_kwh, sell_zone = t.zone
from trading.auctions a where a.auction_id = t.auction_id and (t.fee_per_kwh is null or t.sell_zone is null);
alter table trading.trades alter column fee_per_kwh set not null;
alter table trading.trades alter column sell_zone set not null;
comment on column trading.trades.zone is 'Zone of the buyer, and of the order that buys';
comment on column trading.trades.sell_zone is 'Zone of the seller';
comment on column trading.trades.price_per_kwh is 'Received by the seller';
comment on column trading.trades.fee_per_kwh is 'Grid fee from the seller''s zone to the buyer''s, paid by the buyer on what is delivered';
comment on column trading.trades.rent_per_kwh is
    'Congestion rent, paid by the buyer on all that was matched; above 0 only where the zones'' capacity was used up';

-- Zones that are cleared together have one auction; each keeps a row with its own prices.
alter table trading.auctions add column if not exists area bigint;
alter table trading.auctions add column if not exists buy_price_per_kwh bigint;
alter table trading.auctions add column if not exists sold_wh bigint;
update trading.auctions set area = zone, sold_wh = matched_wh, buy_price_per_kwh = clearing_price_per_kwh + grid_fee_per_kwh
where area is null;
alter table trading.auctions alter column area set not null;
alter table trading.auctions alter column sold_wh set not null;
comment on column trading.auctions.area is 'The smallest zone of those that were cleared together; the zone itself where it was cleared alone';
comment on column trading.auctions.clearing_price_per_kwh is 'What sellers of the zone receive';
comment on column trading.auctions.buy_price_per_kwh is 'What buyers of the zone pay, with grid fee and congestion rent';
comment on column trading.auctions.matched_wh is 'Bought in the zone';
comment on column trading.auctions.sold_wh is 'Sold in the zone';

create table if not exists trading.area_auctions (
    area           bigint not null,
    delivery_start timestamptz not null,
    zones          bigint[] not null,
    head           bytea not null,
    book_hash      blockchain.evm_hash not null,
    result_hash    blockchain.evm_hash not null,
    rejected       bigint[] not null default '{}',
    cleared_at     timestamptz not null,
    primary key (area, delivery_start)
);
comment on table trading.area_auctions is 'Auctions of several zones at once';
comment on column trading.area_auctions.head is
    'Fees and capacities in canonical bytes; the books of the zones, in trading.auctions, follow them in the area''s book';
comment on column trading.area_auctions.rejected is
    'Orders better than the price that only their minimum fill kept out, by sequence';

create index if not exists auctions_area on trading.auctions (area, delivery_start);

-- A seller's trade stands under the zone of its buyer.
create or replace view trading.held_orders as
select o.* from trading.orders o
where o.status = 'open' or o.status = 'matched' and exists (
    select from trading.trades t
    where t.delivery_start = o.delivery_start and t.settlement_status in ('pending', 'submitted')
      and (t.buyer = o.trader and t.buy_order = o.digest or t.seller = o.trader and t.sell_order = o.digest)
);

create table if not exists trading.day_ahead_auctions (
    area           bigint not null,
    day            timestamptz not null,
    zones          bigint[] not null,
    gate_closed_at timestamptz not null,
    order_count    integer not null,
    matched_wh     bigint not null,
    accepted_blocks bigint[] not null,
    rejected_blocks bigint[] not null,
    book           bytea not null,
    book_hash      blockchain.evm_hash not null,
    result_hash    blockchain.evm_hash not null,
    cleared_at     timestamptz not null,
    primary key (area, day)
);
comment on table trading.day_ahead_auctions is 'Auctions of all slots of a day at once, the day before';
comment on column trading.day_ahead_auctions.day is 'When the day of delivery begins, UTC';
comment on column trading.day_ahead_auctions.accepted_blocks is 'Each by the first of its orders'' sequence numbers';
comment on column trading.day_ahead_auctions.rejected_blocks is
    'Blocks left out though they would gain at the published prices, each by the first of its orders'' sequence numbers';

create table if not exists trading.day_ahead_prices (
    zone           bigint not null,
    delivery_start timestamptz not null,
    area           bigint not null,
    sell_price_per_kwh bigint,
    buy_price_per_kwh  bigint,
    bought_wh      bigint not null,
    sold_wh        bigint not null,
    primary key (zone, delivery_start)
);
comment on table trading.day_ahead_prices is 'What a day-ahead auction came to in each slot that had orders; prices are null where nothing was traded';
