-- fold -- a row for each purchase of fractions
insert into blockchain.asset_purchases
    (chain_id, block_number, log_index, transaction_hash, block_time, token, buyer, seller, fractions, price, cost)
select chain_id, block_number, log_index, transaction_hash, block_time, emitter, buyer, seller, fractions, price, cost
from blockchain.fact_asset_token_fractions_bought
where chain_id = $1 and block_number between $2 and $3;

-- unfold -- purchases from one block on are gone
delete from blockchain.asset_purchases where chain_id = $1 and block_number >= $2;
