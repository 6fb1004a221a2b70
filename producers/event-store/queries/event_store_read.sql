-- The next settled events of all tenants that are wanted, by position.
select
    position, tenant_id, aggregate_id, aggregate_type, version, event_id, event_type, payload, metadata,
    occurred_at, recorded_at, transaction_id::text::bigint as transaction_id
from event_store
where position > $1 and position <= $2
    and ($4::text is null or tenant_id = $4)
    and (cardinality($5::text[]) = 0 or aggregate_type = any ($5))
    and (cardinality($6::text[]) = 0 or event_type = any ($6))
    and ($7::timestamptz is null or occurred_at >= $7)
    and ($8::timestamptz is null or occurred_at < $8)
order by position
limit $3
