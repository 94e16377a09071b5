drop table if exists blockchain.projection_versions;
