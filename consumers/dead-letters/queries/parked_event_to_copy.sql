-- Records that the dead-letter topic does not have yet, in their order.
-- Takes no locks: an outage of the topic must not hold up the owner, who releases these rows.
select projection, topic, partition, record_offset, record_key, payload, header_names, header_values, timestamp_ms,
       schema_id, reason, message, attempts, parked_at
from parked_event
where projection = $1 and copied_at is null
order by projection, topic, partition, record_offset
limit $2
