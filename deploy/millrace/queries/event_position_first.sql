-- Where the first of these events lies.
select min(position)
from event_store
join unnest($1::uuid[], $2::bigint[]) as wanted (aggregate_id, version) using (aggregate_id, version)
