drop schema if exists wallet cascade;
