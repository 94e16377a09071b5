-- fingerprint -- of all columns of the mirror's tables
select md5(string_agg(c.oid::text || a.attnum || a.atttypid || a.attname, ',' order by c.oid, a.attnum))
from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relnamespace = 'blockchain'::regnamespace and c.relkind in ('r', 'p');

-- columns -- of every table of the mirror, with types below domains and places in the primary key
select c.relname as table_name, obj_description(c.oid, 'pg_class') as description, a.attname as column_name,
    format_type(coalesce(nullif(t.typbasetype, 0), a.atttypid), case when t.typbasetype = 0 then a.atttypmod else t.typtypmod end)
        as sql_type,
    case when t.typtype = 'd' then format_type(a.atttypid, null) end as domain,
    not a.attnotnull as nullable,
    array_position(i.indkey::smallint[], a.attnum) as key_place
from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_type t on t.oid = a.atttypid
left join pg_index i on i.indrelid = c.oid and i.indisprimary
where c.relnamespace = 'blockchain'::regnamespace and c.relkind in ('r', 'p')
order by c.relname, a.attnum;
