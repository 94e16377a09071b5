drop index if exists trading.orders_position;
