-- server -- What the server is, and whether we may work in its database
select current_setting('server_version_num')::int as number, current_setting('server_version') as version,
       has_database_privilege(current_database(), 'create') as may_create,
       to_regclass('public.schema_version') is not null as migrated

-- tables -- What somebody else has put into the database
select format('%I.%I', n.nspname, c.relname) as name
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and not exists (select from pg_catalog.pg_depend d where d.objid = c.oid and d.deptype = 'e')
order by 1

-- revision -- The revision of our schema
select version_num from public.schema_version

-- mirrors -- Whether the table of mirrored contracts is there
select to_regclass('blockchain.smart_contracts') is not null

-- contracts -- The contracts that the database mirrors
select address from blockchain.smart_contracts
