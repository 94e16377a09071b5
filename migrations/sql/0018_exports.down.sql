drop table identity.webhook_deliveries;
drop table identity.webhooks;
drop table identity.exports;
