drop index if exists trading.events_slot;
drop index if exists trading.events_subject;
drop table if exists trading.settlement_charges;
