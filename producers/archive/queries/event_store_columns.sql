-- The columns of an event in the order in which EventRow reads them.
select
    position, tenant_id, aggregate_id, aggregate_type, version, event_id, event_type, payload, event_data::text,
    metadata::text, occurred_at, recorded_at, transaction_id::text::bigint
from event_store
