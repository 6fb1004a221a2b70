-- The rows of these aggregates, the view's own columns as one document.
select t.tenant_id, t.aggregate_id, t.version, t.events_sum, t.source_partition, t.deleted_at is not null as deleted,
       {view} as view
from unnest($1::text[], $2::uuid[]) as k (tenant_id, aggregate_id)
join {table} t on t.tenant_id = k.tenant_id and t.aggregate_id = k.aggregate_id
