-- A slot settles in as many batches as its entries need; what stands in trading.settlements sums them up.
create table if not exists trading.settlement_batches (
    settlement_id  bigint not null references trading.settlements (settlement_id),
    ordinal        integer not null check (ordinal >= 0),
    batch_sequence bigint not null unique,
    batch          bytea not null,
    transaction_hash bytea,
    block_number   bigint,
    gas_used       bigint,
    submitted_at   timestamptz not null default clock_timestamp(),
    primary key (settlement_id, ordinal)
);
comment on table trading.settlement_batches is 'The batches of each settlement, in their order';
comment on column trading.settlement_batches.block_number is 'Where the mirrored chain has it; null while it is on its way';
insert into trading.settlement_batches
    (settlement_id, ordinal, batch_sequence, batch, transaction_hash, block_number, gas_used)
select settlement_id, 0, batch_sequence, batch, transaction_hash, block_number, gas_used
from trading.settlements where batch_sequence is not null
on conflict do nothing;

create index if not exists settlement_batches_open on trading.settlement_batches (settlement_id)
    where block_number is null;

alter table trading.settlements drop column if exists batch;
alter table trading.settlements add column if not exists batches integer not null default 1;
alter table trading.settlements add column if not exists most_entries integer not null default 400;
alter table trading.settlements add column if not exists zones bigint[];
update trading.settlements set zones = array[zone] where zones is null;
alter table trading.settlements alter column zones set not null;
alter table trading.settlements add column if not exists rent_nano bigint not null default 0;
alter table trading.settlements add column if not exists final_at timestamptz;
-- What was settled a week before the newest slot is final.
update trading.settlements set final_at = clock_timestamp()
where final_at is null and state in ('settled', 'failed')
  and delivery_start < (select max(delivery_start) from trading.settlements) - interval '7 days';
alter table trading.settlements add column if not exists looked_at timestamptz;
alter table trading.settlements add column if not exists previous_id bigint references trading.settlements (settlement_id);
comment on column trading.settlements.batches is 'How many batches it takes';
comment on column trading.settlements.batch_sequence is 'Number of its last batch; transaction and block are that one''s, gas is that of all';
comment on column trading.settlements.most_entries is 'The most entries of one batch';
comment on column trading.settlements.zone is 'The smallest of its zones: the name of the area';
comment on column trading.settlements.zones is 'The zones that were cleared together, ascending';
comment on column trading.settlements.rent_nano is 'Congestion rent that buyers paid';
comment on column trading.settlements.final_at is 'No later version follows';
comment on column trading.settlements.looked_at is 'When it was last compared with the readings';
comment on column trading.settlements.previous_id is 'The settled version of the slot whose difference to this one is settled';
create index if not exists settlements_to_revise on trading.settlements (delivery_start)
    where final_at is null and state in ('settled', 'failed');

alter table trading.settlement_accounts add column if not exists rent_nano bigint not null default 0;
alter table trading.settlement_accounts add column if not exists uncovered bigint not null default 0;
comment on column trading.settlement_accounts.uncovered is
    'Cash units that earlier versions could not charge and that this one does not give back';
alter table trading.settlement_charges add column if not exists batch integer not null default 0;
comment on column trading.settlement_charges.batch is 'The batch of the settlement that charges it';
alter table trading.settlement_voids add column if not exists batch integer not null default 0;
comment on column trading.settlement_voids.batch is 'The first batch of the settlement that goes without the order';
alter table trading.trades add column if not exists batch integer;
comment on column trading.trades.batch is 'The batch of the slot''s settlement that settles the trade';
update trading.trades set batch = 0 where settlement_status = 'settled' and batch is null;

create index if not exists settlements_in_parts on trading.settlements (delivery_start)
    where version = 0 and state = 'submitted' and batches > 1;

-- A slot of several batches pays its sellers before it charges their imbalance: until it is over, each keeps what it
-- may cost to replace all that he sold. Every "limit 1" keeps the planner from reading whole tables for a few rows.
create or replace function trading.held_cash(chain bigint, owner bytea)
    returns table (zone bigint, delivery_start timestamptz, cash numeric) language sql stable as $$
select o.zone, o.delivery_start, o.locked_cash::numeric
from trading.held_orders o
where o.trader = held_cash.owner and o.locked_cash > 0
  -- What is settled on chain has left the cash already; its lock is freed a moment later.
  and (o.status = 'open' or (
      select true from blockchain.settled_orders s
      where s.chain_id = held_cash.chain and s.trader = o.trader and s.delivery_start = o.delivery_start
        and s.zone = o.zone and s.lane = o.lane and s.nonce = o.nonce
      limit 1
  ) is null)
  and (
      select true from trading.settlements s
      where s.version = 0 and s.state = 'submitted' and s.batches > 1
        and s.delivery_start = o.delivery_start and o.zone = any(s.zones)
      limit 1
  ) is null
union all
select traded.zone, s.delivery_start, ceil(sum(traded.energy_wh::numeric * greatest(0, case
        when traded.is_sold and settled.is_true then s.price_short_per_kwh
        when traded.is_sold then s.price_short_per_kwh - traded.price_per_kwh
        when settled.is_true then 0
        else traded.price_per_kwh + traded.fee_per_kwh + traded.rent_per_kwh
    end)) / 1000)
from trading.settlements s
cross join lateral (
    select t.buy_order as digest, t.zone, t.energy_wh, t.price_per_kwh, t.fee_per_kwh, t.rent_per_kwh, t.batch, false as is_sold
    from trading.trades t
    where t.buyer = held_cash.owner and t.delivery_start = s.delivery_start and t.zone = any(s.zones)
      and t.settlement_status <> 'failed'
    union all
    select t.sell_order, t.sell_zone, t.energy_wh, t.price_per_kwh, t.fee_per_kwh, t.rent_per_kwh, t.batch, true
    from trading.trades t
    where t.seller = held_cash.owner and t.delivery_start = s.delivery_start and t.zone = any(s.zones)
      and t.settlement_status <> 'failed'
) traded
cross join lateral (
    -- By the mirror, as the account's cash is.
    select (
        select true from trading.settlement_batches b
        join blockchain.settled_orders o on o.sequence = b.batch_sequence
        where b.settlement_id = s.settlement_id and b.ordinal = traded.batch and o.chain_id = held_cash.chain
          and o.trader = held_cash.owner and o.delivery_start = s.delivery_start
        limit 1
    ) is not null as is_true
) settled
where s.version = 0 and s.state = 'submitted' and s.batches > 1
group by traded.zone, s.delivery_start, traded.digest
$$;
comment on function trading.held_cash is
    'Cash units that an account''s orders may still cost, slot by slot, beyond what the mirrored chain has taken of it';

-- Every change of what settlement decides and of the register of meters, in a chain of hashes.
create table if not exists audit.audit_logs (
    sequence      bigint primary key check (sequence > 0),
    table_name    text not null,
    record_id     text not null,
    operation     text not null check (operation in ('INSERT', 'UPDATE', 'DELETE')),
    old_values    jsonb,
    new_values    jsonb,
    changed_by    text not null,
    changed_at    timestamptz not null,
    previous_hash blockchain.evm_hash not null,
    hash          blockchain.evm_hash not null
);
create index if not exists audit_logs_record on audit.audit_logs (table_name, record_id);
create index if not exists audit_logs_changed on audit.audit_logs (changed_at);
comment on table audit.audit_logs is 'Who changed which row and when; each entry holds the hash of the one before';
comment on column audit.audit_logs.changed_by is 'Database user of the session';

create or replace function audit.log_change() returns trigger language plpgsql as $$
declare
    -- Arguments: columns of the key; columns that are left out, because they are checked or only remember work.
    old_values jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) - tg_argv[1]::text[] end;
    new_values jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) - tg_argv[1]::text[] end;
    entry audit.audit_logs;
    last record;
begin
    if old_values = new_values then
        return null;
    end if;
    perform pg_advisory_xact_lock(1635084404);
    select sequence, hash into last from audit.audit_logs order by sequence desc limit 1;
    entry.sequence := coalesce(last.sequence, 0) + 1;
    entry.table_name := tg_table_schema || '.' || tg_table_name;
    entry.record_id := (select string_agg(coalesce(new_values, old_values) ->> name, '/' order by place)
                        from unnest(tg_argv[0]::text[]) with ordinality as key (name, place));
    entry.operation := tg_op;
    entry.old_values := old_values;
    entry.new_values := new_values;
    entry.changed_by := session_user;
    entry.changed_at := clock_timestamp();
    entry.previous_hash := coalesce(last.hash, decode(repeat('00', 32), 'hex'));
    entry.hash := sha256(entry.previous_hash || convert_to(concat_ws(chr(10),
        entry.sequence, entry.table_name, entry.record_id, entry.operation, entry.changed_by,
        (extract(epoch from entry.changed_at) * 1000000)::bigint,
        coalesce(old_values::text, ''), coalesce(new_values::text, '')), 'UTF8'));
    insert into audit.audit_logs select entry.*;
    return null;
end
$$;
comment on function audit.log_change is
    'SHA-256 over the hash before and the fields in lines: number, table, record, operation, user, microseconds, old, new';

create or replace trigger log_change after insert or update or delete on trading.settlements
    for each row execute function audit.log_change('{settlement_id}', '{is_audited,looked_at}');
create or replace trigger log_change after insert or update or delete on trading.settlement_batches
    for each row execute function audit.log_change('{settlement_id,ordinal}', '{batch}');
create or replace trigger log_change after insert or update or delete on trading.settlement_voids
    for each row execute function audit.log_change('{settlement_id,digest}', '{}');
create or replace trigger log_change after insert or update or delete on trading.settlement_charges
    for each row execute function audit.log_change('{settlement_id,account}', '{}');
create or replace trigger log_change after insert or update or delete on telemetry.meters
    for each row execute function audit.log_change('{meter_id}', '{}');
