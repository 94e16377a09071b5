drop trigger if exists take_followers_back on blockchain.blocks;
drop function if exists blockchain.take_followers_back();
drop table if exists blockchain.execution_sources;
drop table if exists blockchain.contract_executions;
delete from blockchain.cursors where stream = 'executions';
