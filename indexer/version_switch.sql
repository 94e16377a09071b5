-- lock -- one process at a time changes versions; held until the transaction ends
select pg_advisory_xact_lock(hashtext('gridtrace.versions'));

-- live -- the version that is served; none where the served tables are the mirror's own
select name from blockchain.versions where is_live;

-- all -- versions, oldest first
select name, is_live, created_at, switched_at from blockchain.versions order by created_at, name;

-- known -- whether there is such a version
select true from blockchain.versions where name = $1;

-- add -- a version
insert into blockchain.versions (name, is_live) values ($1, false) on conflict (name) do nothing;

-- serve -- one version, and no other
update blockchain.versions
set is_live = name = $1, switched_at = case when name = $1 then clock_timestamp() else switched_at end;

-- remove -- a version
delete from blockchain.versions where name = $1;

-- relations -- tables (r) and views (v) of a schema
select c.relname as name, c.relkind::text as kind, pg_get_viewdef(c.oid) as definition, c.reloptions as options
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and c.relkind in ('r', 'v')
order by c.relkind, c.relname;

-- foreign_keys -- within a schema
select t.relname as name, pg_get_constraintdef(k.oid) as definition
from pg_constraint k
join pg_class t on t.oid = k.conrelid
join pg_namespace n on n.oid = t.relnamespace
where n.nspname = $1 and k.contype = 'f'
order by k.oid;

-- triggers -- of a schema's tables, without those of constraints
select t.relname as name, pg_get_triggerdef(g.oid) as definition
from pg_trigger g
join pg_class t on t.oid = g.tgrelid
join pg_namespace n on n.oid = t.relnamespace
where n.nspname = $1 and not g.tgisinternal and t.relkind = 'r'
order by g.oid;

-- dependents -- views of other schemas that read a schema's relations
select distinct vn.nspname as schema, v.relname as name, pg_get_viewdef(v.oid) as definition, v.reloptions as options
from pg_depend d
join pg_rewrite r on r.oid = d.objid
join pg_class v on v.oid = r.ev_class and v.relkind = 'v'
join pg_namespace vn on vn.oid = v.relnamespace
join pg_class s on s.oid = d.refobjid
join pg_namespace sn on sn.oid = s.relnamespace
where sn.nspname = $1 and vn.nspname <> all ($2::text[]) and d.classid = 'pg_rewrite'::regclass
order by 1, 2;

-- grants -- who may do what with a schema's relations
select c.relname as name, g.privilege_type as privilege,
       case when g.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(g.grantee)) end as grantee
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
cross join lateral aclexplode(c.relacl) g
where n.nspname = $1 and c.relkind in ('r', 'v') and g.privilege_type = 'SELECT' and g.grantee <> c.relowner;

-- written -- whether a process has connections of a version
select exists (select from pg_stat_activity where application_name = $1 and datname = current_database());
