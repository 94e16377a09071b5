drop view if exists assets.investments;
drop table if exists blockchain.asset_purchases;
drop table if exists blockchain.asset_tokens;
