-- transaction -- an outbox entry whose key names the account, or any for an operator
select id as outbox_id, kind, state, transaction_hash, block_number, gas_used, error, created_at, mined_at
from wallet.outbox
where id = $1 and ($3 or $2 = any(string_to_array(key, ':')));
