comment on column blockchain.settled_orders.lane is null;
drop index if exists blockchain.settled_orders_account_lane;
alter table trading.settlement_voids drop constraint if exists settlement_voids_reason_check;
alter table trading.settlement_voids add constraint settlement_voids_reason_check check (reason in (
    'not-cleared', 'order-expired', 'nonce-raised', 'order-replaced', 'over-filled', 'cash-short', 'energy-short'));
