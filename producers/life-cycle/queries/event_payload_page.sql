-- The next events with both their forms.
select position, aggregate_id, aggregate_type, version, event_type, payload, event_data
from event_store
where position > $1
order by position
limit 1000
