-- Writes down which keys a redrive means: those that nobody has asked for, the least often failed and longest parked first.
insert into parked_request_key (request_id, place, topic, partition, key, tenant_id)
select $9, row_number() over (order by attempts, parked_at, partition, key), topic, partition, key, tenant_id
from parked_key_seen
where ($1::text is null or projection = $1)
  and ($2::text is null or tenant_id = $2)
  and ($3::text is null or reason = $3)
  and ($4::text is null or event_type = $4)
  and ($5::timestamptz is null or parked_at >= $5)
  and ($6::bytea is null or key = $6)
  and state = 'parked' and ($7::integer is null or attempts < $7)
order by attempts, parked_at, partition, key
limit $8
