-- participant -- an account's clearance as indexed
select account, kyc_until, flags, country from blockchain.participants where chain_id = $1 and account = $2;
