-- Rows picked at random.
select t.tenant_id, t.aggregate_id, t.version, t.source_partition, t.deleted_at is not null as deleted, (to_jsonb(t) - $1::text[])::text as view
from {table} t
order by random()
limit $2
