drop schema if exists telemetry cascade;
