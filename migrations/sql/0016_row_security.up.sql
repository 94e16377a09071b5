-- What the API reads and writes for somebody it reads and writes as gridtrace_app, which owns nothing: these policies
-- then show it only that somebody's rows, whatever the statement says. Who owns the schema (the login that migrates, as
-- which the node and the indexer work) sees everything by a policy of its own.

do $$
begin
    -- Roles are the whole server's: another database may be making it at this moment.
    begin
        if not exists (select from pg_roles where rolname = 'gridtrace_app') then
            create role gridtrace_app nologin;
        end if;
    exception
        when duplicate_object or unique_violation then null;
        when insufficient_privilege then
            raise insufficient_privilege using message = format(
                'role %1$s may not create roles: run as an administrator: create role gridtrace_app nologin; grant gridtrace_app to %1$I;',
                current_user);
    end;
    if not (select rolsuper from pg_roles where rolname = current_user)
        and not exists (
            select from pg_auth_members m
            where m.roleid = 'gridtrace_app'::regrole and m.member = (select oid from pg_roles where rolname = current_user)
              and coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)  -- PostgreSQL 16 and later
        )
    then
        begin
            execute format('grant gridtrace_app to %I', current_user);
        exception
            when unique_violation then null;
            when insufficient_privilege then
                raise insufficient_privilege using message = format(
                    'role %1$s may not act as gridtrace_app: run as an administrator: grant gridtrace_app to %1$I;',
                    current_user);
        end;
    end if;
end $$;

do $$
declare
    place text;
begin
    for place in
        select nspname from pg_namespace
        where nspname = any (array['identity', 'trading', 'telemetry', 'assets', 'wallet', 'audit', 'grid'])
    loop
        execute format('grant select, insert, update, delete on all tables in schema %I to gridtrace_app', place);
        execute format('grant usage on all sequences in schema %I to gridtrace_app', place);
        execute format('alter default privileges in schema %I grant select, insert, update, delete on tables to gridtrace_app', place);
        execute format('alter default privileges in schema %I grant usage on sequences to gridtrace_app', place);
    end loop;
    -- The mirror, its versions and what is derived from it are everybody's to read.
    for place in
        select nspname from pg_namespace
        where nspname !~ '^pg_' and nspname <> 'information_schema'
          and pg_get_userbyid(nspowner) = current_user
    loop
        execute format('grant usage on schema %I to gridtrace_app', place);
        execute format('grant select on all tables in schema %I to gridtrace_app', place);
    end loop;
end $$;
alter default privileges grant usage on schemas to gridtrace_app;
alter default privileges grant select on tables to gridtrace_app;

-- Who is asking. Set for one transaction (node/row_security.sql); nobody where nothing is set.
create function identity.acting_account() returns bytea language sql stable parallel safe as
$$ select decode(nullif(current_setting('gridtrace.account', true), ''), 'hex') $$;
create function identity.acting_user() returns uuid language sql stable parallel safe as
$$ select nullif(current_setting('gridtrace.user', true), '')::uuid $$;
create function identity.sees_all() returns boolean language sql stable parallel safe as
$$ select coalesce(current_setting('gridtrace.role', true) in ('super_admin', 'admin', 'auditor'), false) $$;
create function identity.manages_all() returns boolean language sql stable parallel safe as
$$ select coalesce(current_setting('gridtrace.role', true) in ('super_admin', 'admin'), false) $$;
create function identity.published_until() returns timestamptz language sql stable parallel safe as
$$ select to_timestamp(nullif(current_setting('gridtrace.published_until', true), '')::float8) $$;
comment on function identity.published_until() is 'Delivery slots up to this one have closed their gate: their orders are published';

create procedure identity.protect(target regclass, own text) language plpgsql as $$
begin
    execute format('alter table %s enable row level security, force row level security', target);
    execute format('grant select, insert, update, delete on %s to gridtrace_app', target);
    execute format('create policy service on %s to current_user using (true) with check (true)', target);
    execute format('create policy own on %s to gridtrace_app using (%s) with check (%2$s)', target, own);
    execute format('create policy overseen on %s for select to gridtrace_app using (identity.sees_all())', target);
    execute format('create policy managed on %s to gridtrace_app using (identity.manages_all()) with check (identity.manages_all())', target);
end $$;
comment on procedure identity.protect is 'Shows the API only rows of which own (SQL) is true, and all to who oversees or manages';

call identity.protect('identity.users', 'id = identity.acting_user()');
call identity.protect('identity.user_profiles', 'user_id = identity.acting_user()');
call identity.protect('identity.sessions', 'user_id = identity.acting_user()');
call identity.protect('identity.api_keys', 'user_id = identity.acting_user()');
call identity.protect('identity.notifications', 'user_id = identity.acting_user()');
call identity.protect('identity.sign_in_nonces', 'false');

call identity.protect('telemetry.meters', 'owner = identity.acting_account()');
-- Plants whose fractions are offered are looked at by who may buy them.
create policy offered on telemetry.meters for select to gridtrace_app
    using (plant_id in (select a.plant_id from assets.assets a));
do $$
declare
    target text;
begin
    foreach target in array array['readings', 'latest', 'slot_energy', 'energy_hourly', 'meter_faults', 'meter_baselines'] loop
        call identity.protect(('telemetry.' || target)::regclass,
            'meter_id in (select m.meter_id from telemetry.meters m where m.owner = identity.acting_account())');
    end loop;
end $$;
create policy offered on telemetry.slot_energy for select to gridtrace_app using (meter_id in (
    select m.meter_id from telemetry.meters m join assets.assets a on a.plant_id = m.plant_id));

call identity.protect('trading.orders', 'trader = identity.acting_account()');
create policy published on trading.orders for select to gridtrace_app
    using (delivery_start <= identity.published_until());
call identity.protect('trading.events', 'false');
create policy published on trading.events for select to gridtrace_app using (kind in ('gate_closed', 'auction_cleared'));

-- Sums over rows that nobody sees one by one.
create function trading.order_count() returns bigint
language sql stable security definer set search_path = pg_catalog as
$$ select count(*) from trading.orders $$;
create function trading.open_orders() returns bigint
language sql stable security definer set search_path = pg_catalog as
$$ select count(*) from trading.orders where status = 'open' $$;
create function trading.order_count(in_zone bigint, of_slot timestamptz) returns bigint
language sql stable security definer set search_path = pg_catalog as
$$ select count(*) from trading.orders where zone = in_zone and delivery_start = of_slot and status <> 'cancelled' $$;
create function trading.levels(in_zones bigint[], of_slot timestamptz)
returns table (zone bigint, side text, limit_price_per_kwh bigint, energy_wh bigint, orders bigint)
language sql stable security definer set search_path = pg_catalog as $$
    select o.zone, o.side, o.limit_price_per_kwh, sum(o.shown_wh)::bigint, count(*)
    from trading.orders o
    where o.zone = any (in_zones) and o.delivery_start = of_slot and o.shown_wh > 0
    group by o.zone, o.side, o.limit_price_per_kwh
$$;
comment on function trading.levels is 'What open books show, which is what orders let be shown of them';
create function telemetry.meters_in_service() returns table (zone bigint, meters bigint)
language sql stable security definer set search_path = pg_catalog as
$$ select m.zone, count(*) from telemetry.meters m where m.active group by m.zone $$;

-- A partition that is asked by its own name shows nothing to the API.
create function telemetry.hide_partitions(whole regclass) returns void language plpgsql as $$
declare
    part regclass;
begin
    for part in select inhrelid::regclass from pg_inherits where inhparent = whole loop
        if not (select relforcerowsecurity from pg_class where oid = part) then
            execute format('alter table %s enable row level security, force row level security', part);
            execute format('create policy service on %s to current_user using (true) with check (true)', part);
        end if;
    end loop;
end $$;
select telemetry.hide_partitions('telemetry.readings');

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
            execute format('alter table telemetry.%I enable row level security, force row level security', name);
            execute format('create policy service on telemetry.%I to current_user using (true) with check (true)', name);
        end if;
    end if;
end $$;

-- A view otherwise reads with the rights of who made it.
do $$
declare
    place regclass;
begin
    for place in
        select c.oid::regclass from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind = 'v' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
          and pg_get_userbyid(c.relowner) = current_user
    loop
        execute format('alter view %s set (security_invoker = true)', place);
    end loop;
end $$;
