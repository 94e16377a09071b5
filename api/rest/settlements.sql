-- settlements -- newest first
select * from trading.settlements
where ($1::bigint is null or zone = $1) and ($2::text is null or state = $2)
  and ($3::bigint is null or settlement_id < $3)
order by settlement_id desc
limit $4;

-- settlement -- the newest version of a slot's settlement
select * from trading.settlements where zone = $1 and delivery_start = $2 order by version desc limit 1;

-- accounts -- every account's part
select account, bought_wh, sold_wh, imbalance_wh, netted_wh, trade_money_nano, grid_fee_nano, imbalance_money_nano,
    state
from trading.settlement_accounts where settlement_id = $1 order by account;
