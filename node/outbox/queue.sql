-- enqueue -- adds a transaction unless its effect is already named; wakes the sender at commit
with added as (
    insert into wallet.outbox (key, kind, sender, target, calldata, gas_limit)
    values ($1, $2, $3, $4, $5, $6)
    on conflict (key) do nothing
    returning id
)
select id, pg_notify('gridtrace_outbox', encode($3::bytea, 'hex')) from added;

-- same -- whether the row of this key asks for the same effect
select id, sender = $2 and target = $3 and calldata = $4 as same from wallet.outbox where key = $1;

-- by_id -- one row as its cause sees it
select id, key, kind, state, nonce, transaction_hash, block_number, gas_used, attempts, error
from wallet.outbox where id = $1;

-- by_key -- one row by the name of its effect
select id, key, kind, state, nonce, transaction_hash, block_number, gas_used, attempts, error
from wallet.outbox where key = $1;

-- retry -- queues a failed row again, once no reorganisation can bring its first attempt back
with again as (
    update wallet.outbox
    set state = 'queued', error = null, nonce = null, transaction_hash = null, replaced_hashes = '{}',
        block_number = null, gas_used = null, sent_at = null, mined_at = null
    where id = $1 and state = 'failed' and raw_transaction is null
    returning id, sender
)
select id, pg_notify('gridtrace_outbox', encode(sender::bytea, 'hex')) from again;
