-- Tables in here are made by the indexer from the dataclasses of handlers.
create schema if not exists entities;

create table if not exists entities.made_by (
    chain_id bigint primary key,
    digest   text not null,
    made_at  timestamptz not null default clock_timestamp()
);
comment on table entities.made_by is 'The handlers whose work the entities are: others make them again from the facts';
