-- sent -- every hash under which transactions of the outbox may be mined
select id, array_append(replaced_hashes, transaction_hash) as hashes from wallet.outbox where id = any($1::bigint[])
