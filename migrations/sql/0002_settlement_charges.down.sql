drop table if exists trading.settlement_charges;
