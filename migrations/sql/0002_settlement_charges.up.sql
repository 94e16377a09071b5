create table if not exists trading.settlement_charges (
    settlement_id bigint not null references trading.settlements (settlement_id),
    account       blockchain.evm_address not null,
    owed          numeric(78, 0) not null check (owed > 0),
    cap           numeric(78, 0) not null check (cap >= 0),
    charged       numeric(78, 0) generated always as (least(owed, cap)) stored,
    shortfall     numeric(78, 0) generated always as (owed - least(owed, cap)) stored,
    as_of_block   bigint not null,
    as_of_hash    blockchain.evm_hash not null,
    primary key (settlement_id, account)
);
create index if not exists settlement_charges_short on trading.settlement_charges (account) where shortfall > 0;
comment on table trading.settlement_charges is
    'Imbalance charges of a batch in cash units, and the cap that mandate and cash set on each';
comment on column trading.settlement_charges.shortfall is 'Owed but not chargeable: received less by the grid account';
comment on column trading.settlement_charges.as_of_block is 'The indexed block whose mandates and balances set the cap';

-- The auditor finds all events of a slot without reading the whole log.
create index if not exists events_slot on trading.events (substring(payload from 1 for 12)) where kind = 'order_accepted';
create index if not exists events_subject on trading.events (subject) where kind <> 'order_accepted';
