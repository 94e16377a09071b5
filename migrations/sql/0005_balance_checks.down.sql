drop table if exists blockchain.balance_differences;
drop table if exists blockchain.balance_checks;
