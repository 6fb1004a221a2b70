-- The next settled events of all tenants, by position.
select
    position, tenant_id, aggregate_id, aggregate_type, version, event_id, event_type, payload, event_data, metadata,
    occurred_at, recorded_at, transaction_id::text::bigint as transaction_id
from event_store
where position > $1 and position <= $2
order by position
limit $3
