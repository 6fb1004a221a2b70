-- Every row, deleted ones included, in the order of their keys.
select t.tenant_id, t.aggregate_id, t.version, t.events_sum, t.source_partition, t.deleted_at is not null as deleted,
       {view} as view
from {table} t
order by t.tenant_id, t.aggregate_id
