drop schema if exists identity cascade;
