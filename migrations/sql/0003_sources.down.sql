drop view if exists blockchain.token_supplies;
drop view if exists blockchain.token_holders;
drop table if exists blockchain.token_id_balances;
drop table if exists blockchain.token_owners;
drop table if exists blockchain.sources;
