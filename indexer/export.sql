-- standing -- the block that the mirror is of
select block_number, block_hash, finalized_number from blockchain.cursors where chain_id = $1 and stream = 'main';

-- columns -- of a table or view, with their types below any domain
select a.attname as name, format_type(coalesce(nullif(t.typbasetype, 0), a.atttypid), null) as sql_type
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_type t on t.oid = a.atttypid
where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'v', 'm', 'p')
order by a.attnum;

-- key -- columns of the primary key, in its order; a served view has that of its version's table
select a.attname as name
from pg_index i
join pg_class c on c.oid = i.indrelid
join pg_namespace n on n.oid = c.relnamespace
cross join lateral unnest(i.indkey::smallint[]) with ordinality as k(number, place)
join pg_attribute a on a.attrelid = c.oid and a.attnum = k.number
where n.nspname = any (array[$1, $1 || '_' || (select name from blockchain.versions where is_live)])
  and c.relname = $2 and i.indisprimary
order by k.place;
