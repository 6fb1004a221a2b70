-- The records of a key in the order in which they apply, for people; where a tenant is given, from where all are theirs.
select topic, partition, record_offset, record_key, payload, header_names, header_values, timestamp_ms, schema_id,
       tenant_id, aggregate_id, version, event_id, event_type, reason, message, attempts, parked_at, copied_at
from (
    select *, coalesce(version, max(version) over (partition by topic, partition order by record_offset), 0) as place
    from parked_event
    where projection = $1 and key = $2 and released_at is null
      and ($4::text is null or (topic, partition) in (
          select k.topic, k.partition from parked_key_seen k where k.projection = $1 and k.key = $2 and k.tenant_id = $4
      ))
) e
order by topic, partition, place, version is null, record_offset
limit $3
