-- agreed -- The hash of the areas that the market runs with
select areas_hash from trading.market_areas;

-- agree -- Sets it the first time
insert into trading.market_areas (areas_hash) values ($1) on conflict do nothing;

-- adopt -- Sets it, whatever it was
insert into trading.market_areas (areas_hash) values ($1)
on conflict (is_only) do update set areas_hash = excluded.areas_hash, agreed_at = now();
