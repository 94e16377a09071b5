alter table blockchain.token_balances reset (fillfactor);
