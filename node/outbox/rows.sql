-- live -- everything that holds a nonce and is not final, in nonce order
select id, state, nonce, case when state in ('signed', 'sent') then raw_transaction end as raw,
       transaction_hash, replaced_hashes, block_number
from wallet.outbox
where sender = $1 and nonce is not null
  and (state in ('queued', 'signed', 'sent', 'mined') or (state = 'failed' and raw_transaction is not null))
order by nonce;

-- queued -- what waits for its nonce, oldest first: the first $2 of every line ($3 kinds whose line, $4, has another name)
select id, kind, target, calldata, gas_limit
from (
    select waiting.*, row_number() over (partition by coalesce(named.line, waiting.kind) order by waiting.id) as place
    from wallet.outbox waiting
    left join unnest($3::text[], $4::text[]) as named (kind, line) on named.kind = waiting.kind
    where waiting.sender = $1 and waiting.state = 'queued'
) waiting
where place <= $2
order by id;

-- payload -- what a row calls
select target, calldata from wallet.outbox where id = $1;

-- mark_signed -- gives a queued row its nonce and keeps the signed bytes, before anybody has seen them
update wallet.outbox
set state = 'signed', nonce = $2, raw_transaction = $3, transaction_hash = $4, attempts = attempts + 1
where id = $1 and state = 'queued';

-- mark_replaced -- puts a signing with higher fees in the place of the last one
update wallet.outbox
set state = 'signed', raw_transaction = $2, transaction_hash = $3, attempts = attempts + 1,
    replaced_hashes = array_append(replaced_hashes, transaction_hash)
where id = $1 and state in ('signed', 'sent');

-- mark_sent -- a node has taken it
update wallet.outbox set state = 'sent', sent_at = coalesce(sent_at, clock_timestamp())
where id = $1 and state = 'signed';

-- mark_mined -- a block holds it; an error says that it was reverted there
with done as (
    update wallet.outbox
    set state = case when $5::text is null then 'mined' else 'failed' end, error = $5,
        replaced_hashes = case when transaction_hash = $2 then replaced_hashes
                               else array_append(replaced_hashes, transaction_hash) end,
        transaction_hash = $2, block_number = $3, gas_used = $4,
        sent_at = coalesce(sent_at, clock_timestamp()), mined_at = clock_timestamp()
    where id = $1 and state in ('signed', 'sent', 'mined', 'failed')
    returning id
)
select pg_notify('gridtrace_outbox_done', id::text) from done;

-- mark_lost -- a reorganisation took its block away
update wallet.outbox
set state = 'sent', error = null, block_number = null, gas_used = null, mined_at = null
where id = $1 and state in ('mined', 'failed');

-- mark_final -- no reorganisation can take its block away any more
with done as (
    update wallet.outbox
    set state = case when state = 'failed' then 'failed' else 'final' end,
        raw_transaction = case when state = 'failed' then null else raw_transaction end
    where id = any ($1::bigint[]) and state in ('mined', 'failed')
    returning id
)
select pg_notify('gridtrace_outbox_done', id::text) from done;

-- mark_refused -- it never reached the chain and uses no nonce
with done as (
    update wallet.outbox
    set state = 'failed', error = $2, nonce = null, raw_transaction = null, transaction_hash = null
    where id = $1 and state in ('queued', 'signed')
    returning id
)
select pg_notify('gridtrace_outbox_done', id::text) from done;

-- requeue -- its nonce was used up by a transaction that is not ours
update wallet.outbox
set state = 'queued', nonce = null, raw_transaction = null, transaction_hash = null, replaced_hashes = '{}',
    sent_at = null
where id = $1 and state in ('signed', 'sent');
