-- Writes each row that is newer than what is there; the caller counts them.
insert into {table} as t (
    tenant_id, aggregate_id, version, source_partition, source_offset, occurred_at, recorded_at, updated_at,
    deleted_at{columns}
)
select x.tenant_id, x.aggregate_id, x.version, x.source_partition, x.source_offset, x.occurred_at, x.recorded_at,
       clock_timestamp(), x.deleted_at{x_columns}
from json_to_recordset($1::json) as x (
    tenant_id text, aggregate_id uuid, version bigint, source_partition integer, source_offset bigint,
    occurred_at timestamptz, recorded_at timestamptz, deleted_at timestamptz{typed_columns}
)
on conflict (tenant_id, aggregate_id) do update set
    version = excluded.version, source_partition = excluded.source_partition, source_offset = excluded.source_offset,
    occurred_at = excluded.occurred_at, recorded_at = excluded.recorded_at, updated_at = excluded.updated_at,
    deleted_at = excluded.deleted_at{set_columns}
where t.version < excluded.version
