drop table telemetry.meter_keys;
