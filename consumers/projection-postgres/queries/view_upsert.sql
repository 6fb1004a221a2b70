-- Writes each row that is newer than what is there; the caller counts them.
insert into {table} as t (
    tenant_id, aggregate_id, version, events_sum, source_partition, source_offset, occurred_at, recorded_at, updated_at,
    deleted_at{columns}
)
select x.tenant_id, x.aggregate_id, x.version, x.events_sum, x.source_partition, x.source_offset, x.occurred_at, x.recorded_at,
       clock_timestamp(), x.deleted_at{x_columns}
from {rows}
on conflict (tenant_id, aggregate_id) do update set
    version = excluded.version, events_sum = excluded.events_sum,
    source_partition = excluded.source_partition, source_offset = excluded.source_offset,
    occurred_at = excluded.occurred_at, recorded_at = excluded.recorded_at, updated_at = excluded.updated_at,
    deleted_at = excluded.deleted_at{set_columns}
where t.version < excluded.version
