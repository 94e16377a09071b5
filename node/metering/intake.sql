-- position -- of a buffer, from 0; locked
insert into telemetry.buffers as known (buffer_id) values ($1)
on conflict (buffer_id) do update set position = known.position
returning position

-- move -- forward
update telemetry.buffers
set position = greatest(position, $2), updated_at = clock_timestamp()
where buffer_id = $1
