drop table if exists identity.api_keys;
