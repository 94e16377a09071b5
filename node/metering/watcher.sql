-- newest_feeder_slot -- start of the newest slot of a feeder after the one given
select extract(epoch from max(e.delivery_start))::bigint
from telemetry.meters as m
join telemetry.slot_energy as e using (meter_id)
where m.kind = 'feeder' and m.active and e.delivery_start > to_timestamp($1::bigint)

-- balances -- net import of each meter in the last slots of zones with a feeder where every meter is proved
with slots as (
    select m.zone, e.delivery_start, m.meter_id, m.kind, e.import_wh - e.export_wh as net_wh,
        bool_and(e.state = 'VALIDATED') over (partition by m.zone, e.delivery_start) as proved,
        bool_or(m.kind = 'feeder') over (partition by m.zone, e.delivery_start) as has_feeder
    from telemetry.meters as m
    join lateral (
        select distinct on (delivery_start) delivery_start, import_wh, export_wh, state
        from telemetry.slot_energy
        where meter_id = m.meter_id and delivery_start <= to_timestamp($1::bigint)
            and delivery_start > to_timestamp($1::bigint) - $2 * interval '1 hour'
        order by delivery_start desc, version desc
        limit $2
    ) as e on true
    where m.active and m.kind <> 'appliance'
        and m.zone in (select zone from telemetry.meters where kind = 'feeder' and active)
)
select zone, extract(epoch from delivery_start)::bigint as delivery_start, meter_id, kind, net_wh
from slots
where proved and has_feeder
order by zone, delivery_start, meter_id
