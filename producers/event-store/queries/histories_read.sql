-- The events of these aggregates, each up to a version, in order.
select
    position, tenant_id, e.aggregate_id, aggregate_type, version, event_id, event_type, payload, metadata,
    occurred_at, recorded_at, transaction_id::text::bigint as transaction_id
from unnest($1::uuid[], $2::bigint[]) as k (aggregate_id, through)
join event_store e on e.aggregate_id = k.aggregate_id and e.version <= k.through
order by e.aggregate_id, version
