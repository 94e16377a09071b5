-- permit_nonce -- permits of an account that were used up, or are on their way
select count(*) from wallet.outbox
where kind = 'deposit' and key like 'deposit:' || $1 || ':%' and state <> 'failed';
