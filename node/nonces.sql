-- on_their_way -- permits of an account that are sent and not on chain yet ($1 kinds, $2 account in hex)
select count(*) from wallet.outbox
where kind = any ($1) and state in ('queued', 'signed', 'sent')
  and (key like 'deposit:' || $2 || ':%' or key like 'purchase:%:' || $2 || ':%'
    or key like 'distribution:' || $2 || ':%');

-- purchases -- of an account and asset that are sent and not on chain yet
select count(*) from wallet.outbox
where kind = 'buy_fractions' and state in ('queued', 'signed', 'sent') and key like $1;
