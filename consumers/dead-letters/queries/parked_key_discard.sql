-- Asks the owner of the partition to do without records of a key.
with asked as (
    update parked_key
    set state = 'discard', requested_at = clock_timestamp(), request_actor = $6, request_reason = $7, request_offsets = $8,
        request_foreign = $9, request_id = $5, updated_at = clock_timestamp()
    where projection = $1 and topic = $2 and partition = $3 and key = $4 and state = 'parked'
    returning topic, partition, key, tenant_id
)
insert into parked_request_key (request_id, place, topic, partition, key, tenant_id, asked_at)
select $5, 1, topic, partition, key, tenant_id, clock_timestamp()
from asked
