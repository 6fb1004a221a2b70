-- The last version of each aggregate of a type up to a position.
select aggregate_id, max(version) as version
from event_store
where aggregate_type = $1 and position <= $2
group by aggregate_id
order by aggregate_id
