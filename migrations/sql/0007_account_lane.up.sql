-- The account's own lane holds one slot and one side at a time: an order may come too late for it.
alter table trading.settlement_voids drop constraint if exists settlement_voids_reason_check;
alter table trading.settlement_voids add constraint settlement_voids_reason_check check (reason in (
    'not-cleared', 'order-expired', 'nonce-raised', 'order-replaced', 'slot-passed', 'other-side', 'over-filled',
    'cash-short', 'energy-short'));

-- The last slot of an account's own lane; lane 65536 holds the fills of trading mandates, which share it.
create index if not exists settled_orders_account_lane on blockchain.settled_orders (trader, delivery_start desc)
    where lane in (0, 65536);
comment on column blockchain.settled_orders.lane is
    'Lane of the order: 0 is the account''s own; 65536 stands for a trading mandate';
