drop schema if exists entities cascade;
