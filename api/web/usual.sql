-- usual -- prices that 10, 50 and 90 % of the auctions at the same time of day did not exceed ($1 zone, $2 slots, over $3 days, $4 of them at least)
select wanted.delivery_start, count(*)::integer as days,
    percentile_disc(array[0.1, 0.5, 0.9]) within group (order by a.clearing_price_per_kwh) as prices
from unnest($2::timestamptz[]) as wanted (delivery_start)
cross join generate_series(1, $3::integer) as back (days)
join trading.auctions a on a.zone = $1
    and a.delivery_start = wanted.delivery_start - make_interval(hours => 24 * back.days)
    and a.clearing_price_per_kwh is not null
group by wanted.delivery_start
having count(*) >= $4::integer;
