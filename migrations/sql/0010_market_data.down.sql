drop index if exists trading.orders_position;
drop index if exists trading.events_cancelled;
