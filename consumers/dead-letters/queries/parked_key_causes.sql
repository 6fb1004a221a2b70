-- The parked keys that a filter means, grouped by cause: what is most often the matter first.
select projection, reason, event_type, cause, count(*) as keys, sum(events)::bigint as events,
       count(distinct tenant_id) as tenants,
       coalesce((array_agg(distinct tenant_id) filter (where tenant_id is not null))[1:10], '{}') as some_tenants,
       min(parked_at) as first_at, max(parked_at) as last_at,
       (array_agg(key order by parked_at, partition, key))[1] as example
from parked_key_seen
where ($1::text is null or projection = $1)
  and ($2::text is null or tenant_id = $2)
  and ($3::text is null or reason = $3)
  and ($4::text is null or event_type = $4)
  and ($5::timestamptz is null or parked_at >= $5)
  and ($6::bytea is null or key = $6)
group by projection, reason, event_type, cause
order by keys desc, first_at
limit $7
