-- The keys of a request and what came of each; where asked, those only that are neither done nor passed over.
select topic, partition, key, tenant_id, asked_at, settled_at, outcome, reason, message
from parked_request_key
where request_id = $1 and (not $2 or outcome is null or outcome = 'failed') and ($4::text is null or tenant_id = $4)
order by place, topic, partition
limit $3
