-- Rewritten with every batch: half-empty pages keep the new versions beside the old, and out of the index.
alter table blockchain.token_balances set (fillfactor = 50);
