-- An aggregate's newest snapshot and the events after it, in one answer; the snapshot's row comes first and has a shape.
with newest as materialized (select * from read_snapshot($1, $2, $3)),
known as (select coalesce(max(version) filter (where shape = $3), 0) as version from newest)
select
    0::bigint as position, n.tenant_id, n.aggregate_id, n.aggregate_type, n.version, n.event_id, '' as event_type,
    n.state as payload, '{}'::jsonb as metadata, n.taken_at as occurred_at, n.taken_at as recorded_at,
    0::bigint as transaction_id, n.shape, n.state_bytes, n.checksum
from newest as n
union all
select
    e.position, e.tenant_id, e.aggregate_id, e.aggregate_type, e.version, e.event_id, e.event_type, e.payload, e.metadata,
    e.occurred_at, e.recorded_at, e.transaction_id::text::bigint, null, null, null
from known as k, read_aggregate($1, $2, k.version, null, null, null, null, $4) as e
order by shape nulls last, version
