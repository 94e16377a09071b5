-- opened -- The terms that hold for slots ($1): those of continuous books, then those that day-ahead auctions left
select extract(epoch from delivery_start)::bigint as delivery_start, terms
from (
    select 1 as number, area, delivery_start, terms from trading.books
    union all
    select 2, area, delivery_start, terms from trading.day_ahead_terms
) agreed
where delivery_start in (select to_timestamp(s) from unnest($1::bigint[]) as s)
order by delivery_start, number, area;
