-- The events that the store has of these versions of an aggregate, and whether a person let them by on their way out.
select e.version, e.event_id, exists (select from outbox_skip s where s.event_id = e.event_id) as was_let_by
from event_store e
where e.tenant_id = $1 and e.aggregate_id = $2 and e.version between $3 and $4
order by e.version
