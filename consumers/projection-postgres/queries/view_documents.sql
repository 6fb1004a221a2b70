json_to_recordset($1::json) as x (
    tenant_id text, aggregate_id uuid, version bigint, events_sum bytea, source_partition integer, source_offset bigint,
    occurred_at timestamptz, recorded_at timestamptz, deleted_at timestamptz{typed_columns}
)
