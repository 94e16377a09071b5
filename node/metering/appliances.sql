-- zones -- that have appliances, and the newest slot that is stored of any of them
select m.zone, (
    select extract(epoch from max(e.delivery_start))::bigint
    from telemetry.slot_energy as e
    join telemetry.meters as a using (meter_id)
    where a.zone = m.zone and a.kind = 'appliance'
) as newest
from telemetry.meters as m
where m.kind = 'appliance' and m.active
group by m.zone
order by m.zone
