-- opened -- On which terms the continuous books of slots ($1) were opened
select extract(epoch from delivery_start)::bigint as delivery_start, terms
from trading.books where delivery_start in (select to_timestamp(s) from unnest($1::bigint[]) as s)
order by delivery_start, area;
