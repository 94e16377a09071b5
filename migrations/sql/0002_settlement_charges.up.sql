create table if not exists trading.settlement_charges (
    settlement_id bigint not null references trading.settlements (settlement_id),
    account       blockchain.evm_address not null,
    owed          numeric(78, 0) not null check (owed > 0),
    cap           numeric(78, 0) not null check (cap >= 0),
    locked        numeric(78, 0) not null default 0 check (locked >= 0),
    charged       numeric(78, 0) generated always as (least(owed, cap)) stored,
    shortfall     numeric(78, 0) generated always as (owed - least(owed, cap)) stored,
    as_of_block   bigint not null,
    as_of_hash    blockchain.evm_hash not null,
    primary key (settlement_id, account)
);
create index if not exists settlement_charges_short on trading.settlement_charges (account) where shortfall > 0;
comment on table trading.settlement_charges is
    'Imbalance charges of a batch in cash units, and the cap that mandate and cash set on each';
comment on column trading.settlement_charges.locked is 'Cash held for the account''s orders in other slots: not charged';
comment on column trading.settlement_charges.shortfall is 'Owed but not chargeable: received less by the grid account';
comment on column trading.settlement_charges.as_of_block is 'The indexed block whose mandates and balances set the cap';

create table if not exists trading.settlement_voids (
    settlement_id bigint not null references trading.settlements (settlement_id),
    digest        blockchain.evm_hash not null references trading.orders (digest),
    account       blockchain.evm_address not null,
    reason        text not null check (reason in (
                      'not-cleared', 'order-expired', 'nonce-raised', 'order-replaced', 'over-filled',
                      'cash-short', 'energy-short')),
    as_of_block   bigint not null,
    as_of_hash    blockchain.evm_hash not null,
    primary key (settlement_id, digest)
);
create index if not exists settlement_voids_account on trading.settlement_voids (account);
comment on table trading.settlement_voids is
    'Orders that the exchange would have refused: their trades are void and the slot was settled without them';
comment on column trading.settlement_voids.as_of_block is 'The indexed block whose accounts and lanes gave the reason';

-- What is still to be done is found without reading all that was done.
alter table trading.auctions add column if not exists is_computed boolean not null default false;
comment on column trading.auctions.is_computed is 'The slot has its provisional settlement';
create index if not exists auctions_to_settle on trading.auctions (zone, delivery_start) where not is_computed;
alter table trading.settlements add column if not exists is_audited boolean not null default false;
comment on column trading.settlements.is_audited is 'Checked since it last came to an end';
create index if not exists settlements_to_audit on trading.settlements (delivery_start, zone)
    where not is_audited and state in ('settled', 'failed');
create index if not exists settlements_block on trading.settlements (block_number) where batch_sequence is not null;
create index if not exists settlements_without_gas on trading.settlements (settlement_id)
    where batch_sequence is not null and gas_used is null;
create index if not exists settled_orders_lane on blockchain.settled_orders (trader, lane, nonce desc);
create index if not exists settled_imbalances_charged on blockchain.settled_imbalances (account, delivery_start desc)
    where money < 0;

-- The auditor finds all events of a slot without reading the whole log.
create index if not exists events_slot on trading.events (substring(payload from 1 for 12)) where kind = 'order_accepted';
create index if not exists events_subject on trading.events (subject) where kind <> 'order_accepted';
