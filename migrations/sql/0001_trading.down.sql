drop schema if exists trading cascade;
