create table if not exists blockchain.projection_versions (
    chain_id bigint not null,
    name     text not null,
    digest   text not null,
    made_at  timestamptz not null default clock_timestamp(),
    primary key (chain_id, name)
);
comment on table blockchain.projection_versions is
    'The statements that made each projection''s state: others make it again from the facts';
