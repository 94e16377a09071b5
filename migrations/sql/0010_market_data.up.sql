-- Intake asks for what a trader has in a slot with every order. The slot comes first, so that nothing else picks this
-- index to go through a trader's whole history.
create index if not exists orders_position on trading.orders (delivery_start, trader, zone);
-- Whether a cancellation waits for the matching engine.
create index if not exists events_cancelled on trading.events (subject) where kind = 'order_cancelled';
