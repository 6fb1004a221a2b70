-- Ranges of versions of these aggregates that left the store and did not come back.
select tenant_id, aggregate_id, aggregate_type, from_version, to_version, reason, digest, last_position
from pruned
where restored_by is null and aggregate_id = any ($1)
order by aggregate_id, from_version
