-- Where a key of a projection is parked, what is asked for, and how often a redrive of it failed.
select topic, partition, tenant_id, state, attempts
from parked_key_seen
where projection = $1 and key = $2 and ($3::text is null or tenant_id = $3)
order by topic, partition
