-- state -- What an open book's answer depends on ($1 chain, $2 area, $3 zone, $4 slot), in one statement
select
    (select c from blockchain.cursors c where c.chain_id = $1 and c.stream = 'main')::text as indexed,
    (select (revision, sequence)::text from trading.books where area = $2 and delivery_start = $4) as book,
    trading.order_count($3, $4) as orders,
    (select areas_hash from trading.market_areas) as areas;
