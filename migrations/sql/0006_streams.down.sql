drop table if exists blockchain.stream_blocks;
drop table if exists blockchain.streams;
