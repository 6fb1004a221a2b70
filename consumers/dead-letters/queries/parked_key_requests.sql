-- What operators asked for, oldest first.
select partition, key, state, request_offsets, request_foreign, request_reason, request_actor
from parked_key
where projection = $1 and topic = $2 and partition = any ($3::integer[]) and state <> 'parked'
order by requested_at
limit 100
