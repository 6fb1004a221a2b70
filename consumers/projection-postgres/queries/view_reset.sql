-- Rows that are to be written anew, whatever version they have.
update {table} t set version = 1
from unnest($1::text[], $2::uuid[]) as k (tenant_id, aggregate_id)
where t.tenant_id = k.tenant_id and t.aggregate_id = k.aggregate_id
