create table if not exists blockchain.contract_executions (
    chain_id          bigint not null,
    block_number      bigint not null,
    transaction_index integer not null,
    transaction_hash  blockchain.evm_hash not null,
    contract          blockchain.evm_address not null,
    contract_address  text generated always as ('0x' || encode(contract, 'hex')) stored,
    caller            blockchain.evm_address not null,
    caller_address    text generated always as ('0x' || encode(caller, 'hex')) stored,
    selector          bytea not null,
    function_name     text,
    arguments         jsonb,
    input             bytea not null,
    value             numeric(78, 0) not null,
    nonce             bigint not null,
    status            varchar(20) not null check (status in ('success', 'reverted')),
    gas_limit         bigint not null,
    gas_used          bigint not null,
    gas_price         numeric(78, 0) not null,
    revert_reason     text,
    revert_data       bytea,
    revert_source     text check (revert_source in ('trace', 'replay')),
    executed_at       timestamptz not null,
    primary key (chain_id, block_number, transaction_index),
    foreign key (chain_id, block_number) references blockchain.blocks (chain_id, number) on delete cascade
);
create index if not exists contract_executions_hash on blockchain.contract_executions (transaction_hash);
create index if not exists contract_executions_contract
    on blockchain.contract_executions (contract, block_number desc, transaction_index desc);
create index if not exists contract_executions_caller
    on blockchain.contract_executions (caller, block_number desc, transaction_index desc);
create index if not exists contract_executions_reverted
    on blockchain.contract_executions (block_number desc) where status = 'reverted';
comment on table blockchain.contract_executions is
    'Every transaction sent to an indexed contract that asks for it; calls from other contracts are not transactions and not here';
comment on column blockchain.contract_executions.function_name is 'Null where the ABI has no function with this selector';
comment on column blockchain.contract_executions.arguments is 'By name; integers as decimal strings, bytes as 0x; null where they do not decode';
comment on column blockchain.contract_executions.revert_source is
    'trace: what the transaction returned. replay: what the same call returns on the state of the block before';

-- A reorganisation takes a block's executions with the block (above) and every cursor that follows the main one back.
create or replace function blockchain.take_followers_back() returns trigger language plpgsql as $$
begin
    update blockchain.cursors c
    set block_number = removed.number - 1, block_hash = removed.parent_hash, updated_at = clock_timestamp()
    from (select distinct on (chain_id) chain_id, number, parent_hash from gone order by chain_id, number) removed
    where c.chain_id = removed.chain_id and c.stream = 'executions' and c.block_number >= removed.number;
    return null;
end $$;
create or replace trigger take_followers_back after delete on blockchain.blocks
    referencing old table as gone for each statement execute function blockchain.take_followers_back();

create table if not exists blockchain.execution_sources (
    chain_id bigint not null,
    contract blockchain.evm_address not null,
    primary key (chain_id, contract)
);
comment on table blockchain.execution_sources is 'Contracts whose calls are kept: one that is new takes the follower back to its first block';
