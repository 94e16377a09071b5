drop table trading.prepared_orders;
drop table identity.agents;
