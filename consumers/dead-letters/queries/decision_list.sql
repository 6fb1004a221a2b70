-- Every decision of a projection; where a tenant is given, of its data.
select topic, partition, record_offset, tenant_id, aggregate_id, version, event_id, reason, actor, decided_at
from decision
where projection = $1 and ($2::text is null or tenant_id = $2)
order by id
