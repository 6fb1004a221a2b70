-- Events of one aggregate of one tenant, in order.
select
    position, tenant_id, aggregate_id, aggregate_type, version, event_id, event_type, payload, metadata,
    occurred_at, recorded_at, transaction_id::text::bigint as transaction_id
from read_aggregate($1, $2, $3, $4, $5, $6, $7, $8)
