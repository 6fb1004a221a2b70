-- Events of one aggregate type behind a position, as far as they are compared with a topic, in the order of positions.
select
    tenant_id, aggregate_id, version, event_id, payload,
    (extract(epoch from recorded_at) * 1000000)::bigint as recorded_at_micros
from event_store
where aggregate_type = $1 and position > $2
order by position
