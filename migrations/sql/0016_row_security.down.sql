do $$
declare
    place record;
begin
    for place in
        select c.oid::regclass as target, p.polname
        from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('identity', 'telemetry', 'trading')
    loop
        execute format('drop policy %I on %s', place.polname, place.target);
        execute format('alter table %s no force row level security, disable row level security', place.target);
    end loop;
    for place in select nspname from pg_namespace where pg_get_userbyid(nspowner) = current_user loop
        execute format('revoke all on all tables in schema %I from gridtrace_app', place.nspname);
        execute format('revoke all on all sequences in schema %I from gridtrace_app', place.nspname);
        execute format('revoke all on schema %I from gridtrace_app', place.nspname);
        execute format('alter default privileges in schema %I revoke all on tables from gridtrace_app', place.nspname);
        execute format('alter default privileges in schema %I revoke all on sequences from gridtrace_app', place.nspname);
    end loop;
end $$;
alter default privileges revoke usage on schemas from gridtrace_app;
alter default privileges revoke select on tables from gridtrace_app;

create or replace function telemetry.ensure_readings_partition(month timestamptz) returns void
language plpgsql as $$
declare
    first date := date_trunc('month', month at time zone 'UTC')::date;
    name  text := 'readings_' || to_char(first, 'YYYY_MM');
begin
    if to_regclass('telemetry.' || name) is null then
        perform pg_advisory_xact_lock(hashtext('telemetry.' || name));
        if to_regclass('telemetry.' || name) is null then
            execute format('create table telemetry.%I partition of telemetry.readings for values from (%L) to (%L)',
                name, first::timestamp at time zone 'UTC', (first + interval '1 month')::timestamp at time zone 'UTC');
        end if;
    end if;
end $$;

drop function telemetry.hide_partitions(regclass);
drop function telemetry.meters_in_service();
drop function trading.levels(bigint[], timestamptz);
drop function trading.order_count(bigint, timestamptz);
drop function trading.open_orders();
drop function trading.order_count();
drop procedure identity.protect(regclass, text);
drop function identity.published_until();
drop function identity.manages_all();
drop function identity.sees_all();
drop function identity.acting_user();
drop function identity.acting_account();
