-- fingerprint -- of all columns of the mirror's tables
select md5(string_agg(c.oid::text || a.attnum || a.atttypid || a.attname, ',' order by c.oid, a.attnum))
from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relnamespace = 'blockchain'::regnamespace and c.relkind in ('r', 'p', 'v');

-- columns -- of every table of the mirror, with types below domains and places in the primary key
with relations as (
    select c.oid, c.relname, c.oid as keyed from pg_class c
    where c.relnamespace = 'blockchain'::regnamespace and c.relkind in ('r', 'p')
    union all
    -- A served version's relation is a view of the table of the same name elsewhere, whose key it has.
    select v.oid, v.relname, b.oid
    from pg_class v
    join pg_rewrite r on r.ev_class = v.oid
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass
    join pg_class b on b.oid = d.refobjid and b.relname = v.relname and b.oid <> v.oid and b.relkind in ('r', 'p')
    where v.relnamespace = 'blockchain'::regnamespace and v.relkind = 'v'
    group by v.oid, v.relname, b.oid
)
select c.relname as table_name, obj_description(c.oid, 'pg_class') as description, a.attname as column_name,
    format_type(coalesce(nullif(t.typbasetype, 0), a.atttypid), case when t.typbasetype = 0 then a.atttypmod else t.typtypmod end)
        as sql_type,
    case when t.typtype = 'd' then format_type(a.atttypid, null) end as domain,
    not k.attnotnull as nullable,
    array_position(i.indkey::smallint[], k.attnum) as key_place
from relations c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_attribute k on k.attrelid = c.keyed and k.attname = a.attname
join pg_type t on t.oid = a.atttypid
left join pg_index i on i.indrelid = c.keyed and i.indisprimary
order by c.relname, a.attnum;
