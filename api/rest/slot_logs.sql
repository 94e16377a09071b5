-- log -- What was published of a slot's continuous trading ($1 zone, $2 start of delivery)
select l.area, l.delivery_start, l.log, l.log_hash, l.replay_hash, e.sequence
from trading.auctions a
join trading.slot_logs l on l.area = a.area and l.delivery_start = a.delivery_start
join trading.events e on e.kind = 'gate_closed' and e.subject = substring(l.log from 7 for 12)
where a.zone = $1 and a.delivery_start = $2
