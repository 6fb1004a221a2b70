-- Where a key's records lay, in the order in which they apply; where a tenant is given, those that are its own.
select record_offset
from (
    select *, coalesce(version, max(version) over (order by record_offset), 0) as place
    from parked_event
    where projection = $1 and topic = $2 and partition = $3 and key = $4 and released_at is null
      and ($6::text is null or tenant_id = $6)
) e
order by place, version is null, record_offset
limit $5
