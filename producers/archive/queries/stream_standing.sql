-- The first and the last version that the store has of each of a tenant's streams.
select aggregate_id, min(version) as first_version, max(version) as last_version
from event_store
where tenant_id = $1 and aggregate_id = any ($2)
group by aggregate_id
