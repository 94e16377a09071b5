create table if not exists blockchain.streams (
    chain_id     bigint not null,
    name         text   not null,
    block_number bigint not null,
    block_hash   bytea  not null,
    delivered_at timestamptz not null default clock_timestamp(),
    primary key (chain_id, name)
);
comment on table blockchain.streams is 'How far each stream out has been delivered; it moves after the delivery';

create table if not exists blockchain.stream_blocks (
    chain_id bigint not null,
    name     text   not null,
    number   bigint not null,
    hash     bytea  not null,
    primary key (chain_id, name, number),
    foreign key (chain_id, name) references blockchain.streams (chain_id, name) on delete cascade
);
comment on table blockchain.stream_blocks is 'Delivered blocks that may still be orphaned: then a notice goes out';
