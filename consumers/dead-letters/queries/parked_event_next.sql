-- The records of a key in the order in which they apply: by version; one without a version keeps its place.
select record_offset, record_key, payload, header_names, header_values, timestamp_ms,
       tenant_id, aggregate_id, version, event_id, event_type
from (
    select *, coalesce(version, max(version) over (order by record_offset), 0) as place
    from parked_event
    where projection = $1 and topic = $2 and partition = $3 and key = $4 and released_at is null
) e
order by place, version is null, record_offset
limit $5
