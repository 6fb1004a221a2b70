-- What was decided about the events of these partitions.
select partition, record_offset, tenant_id, aggregate_id, version
from decision
where projection = $1 and topic = $2 and partition = any ($3::integer[])
