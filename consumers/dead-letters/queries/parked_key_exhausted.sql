-- How many keys that a filter means have failed too often.
select count(*)
from parked_key_seen
where ($1::text is null or projection = $1)
  and ($2::text is null or tenant_id = $2)
  and ($3::text is null or reason = $3)
  and ($4::text is null or event_type = $4)
  and ($5::timestamptz is null or parked_at >= $5)
  and ($6::bytea is null or key = $6)
  and state = 'parked' and attempts >= $7
