alter table trading.settlements drop column if exists late_readings;
drop function if exists telemetry.newest_late_reading();
drop table if exists telemetry.late_readings;
