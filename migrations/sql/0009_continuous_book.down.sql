drop table if exists trading.slot_logs;
drop table if exists trading.books;

delete from trading.trades where auction_id is null;
drop index if exists trading.trades_numbered;
alter table trading.trades drop constraint if exists trades_kind_auction;
alter table trading.trades drop column if exists sequence;
alter table trading.trades drop column if exists kind;
alter table trading.trades alter column auction_id set not null;

drop index if exists trading.orders_shown;
drop index if exists trading.orders_good_till;
update trading.orders set status = 'cancelled' where status = 'expired';
alter table trading.orders drop constraint if exists orders_taken_check;
alter table trading.orders drop constraint if exists orders_status_check;
alter table trading.orders add constraint orders_status_check
    check (status in ('open', 'cancelled', 'matched', 'unmatched'));
alter table trading.orders
    drop column if exists close_reason,
    drop column if exists shown_wh,
    drop column if exists taken_wh,
    drop column if exists block,
    drop column if exists replaces,
    drop column if exists good_till,
    drop column if exists self_trade,
    drop column if exists display_wh,
    drop column if exists post_only;

drop trigger if exists events_told on trading.events;
drop function if exists trading.tell_events();
alter table trading.events drop constraint if exists events_kind_check;
alter table trading.events add constraint events_kind_check
    check (kind in ('order_accepted', 'order_cancelled', 'auction_cleared')) not valid;
