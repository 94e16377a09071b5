drop table if exists identity.notifications;
drop table if exists telemetry.weather_data;
drop table if exists telemetry.energy_production;
drop schema if exists assets cascade;
