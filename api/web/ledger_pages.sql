-- block -- of the mirror, and whether it can still be taken back
select b.number, b.hash, b.parent_hash, b."timestamp", b.receipts_root, b.transaction_count, b.gas_used,
    b.number <= c.finalized_number as is_final, c.block_number as head,
    exists (select from blockchain.blocks n where n.chain_id = $1 and n.number = b.number + 1) as has_next,
    exists (select from blockchain.blocks n where n.chain_id = $1 and n.number = b.number - 1) as has_previous
from blockchain.blocks b
join blockchain.cursors c on c.chain_id = b.chain_id and c.stream = 'main'
where b.chain_id = $1 and b.number = $2;

-- block_of -- the block of a transaction, as far as one is kept or was sent from here
select block_number from (
    select block_number, 1 as place from blockchain.transactions where chain_id = $1 and hash = $2
    union all
    select block_number, 2 from wallet.outbox where transaction_hash = $2 and block_number is not null
) known order by place limit 1;
