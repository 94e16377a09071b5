drop schema if exists blockchain cascade;
