drop function if exists trading.waiting(bigint[], timestamptz, bigint);
drop table if exists trading.market_areas;
drop table if exists trading.day_ahead_terms;
alter table trading.day_ahead_auctions drop column if exists ends_at, drop column if exists sequence;
comment on column trading.day_ahead_auctions.day is 'When the day of delivery begins, UTC';
