-- lock_entries -- Shared locks on slots, then locks on traders, in the order given
select pg_advisory_xact_lock_shared(hashtextextended('market slot ' || slot.zone || ' ' || slot.start, 0))
from unnest($1::bigint[], $2::bigint[]) as slot (zone, start)
union all
select pg_advisory_xact_lock(hashtextextended('market trader ' || encode(trader, 'hex'), 0))
from unnest($3::bytea[]) as trader;

-- lock_clearing -- Waits for every acceptance and cancellation of the slot under way, and excludes new ones
select pg_advisory_xact_lock(hashtextextended('market slot ' || $1::bigint || ' ' || $2::bigint, 0));

-- lock_clearings -- The same for several slots, in the order given
select pg_advisory_xact_lock(hashtextextended('market slot ' || slot.zone || ' ' || slot.start, 0))
from unnest($1::bigint[], $2::bigint[]) as slot (zone, start);

-- lock_sequence -- One writer of the hash chain at a time; the last lock a transaction takes
select pg_advisory_xact_lock(hashtextextended('trading.events', 0));

-- head -- The last link of the hash chain
select sequence, hash from trading.events order by sequence desc limit 1;

-- append -- Adds links to the hash chain
insert into trading.events (sequence, kind, subject, payload, previous_hash, hash, accepted_at)
select e.*, to_timestamp($7::float8)
from unnest($1::bigint[], $2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[]) as e;

-- events -- Links after a sequence number, in order
select sequence, kind, subject, payload, previous_hash, hash
from trading.events where sequence > $1 order by sequence limit $2;
