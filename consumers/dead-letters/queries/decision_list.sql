-- Every decision of a projection.
select topic, partition, record_offset, tenant_id, aggregate_id, version, event_id, reason, actor, decided_at
from decision
where projection = $1
order by id
