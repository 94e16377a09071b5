drop table if exists trading.day_ahead_prices;
drop table if exists trading.day_ahead_auctions;
create or replace view trading.held_orders as
select o.* from trading.orders o
where o.status = 'open' or o.status = 'matched' and exists (
    select from trading.trades t
    where t.zone = o.zone and t.delivery_start = o.delivery_start and t.settlement_status in ('pending', 'submitted')
      and (t.buyer = o.trader and t.buy_order = o.digest or t.seller = o.trader and t.sell_order = o.digest)
);
drop index if exists trading.auctions_area;
drop table if exists trading.area_auctions;
alter table trading.auctions drop column if exists area;
alter table trading.auctions drop column if exists buy_price_per_kwh;
alter table trading.auctions drop column if exists sold_wh;
alter table trading.trades drop column if exists fee_per_kwh;
alter table trading.trades drop column if exists rent_per_kwh;
alter table trading.trades drop column if exists sell_zone;
comment on column trading.trades.zone is null;
comment on column trading.trades.price_per_kwh is null;
comment on column trading.auctions.clearing_price_per_kwh is null;
comment on column trading.auctions.matched_wh is null;
