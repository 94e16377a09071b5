drop table if exists audit.anchors;
