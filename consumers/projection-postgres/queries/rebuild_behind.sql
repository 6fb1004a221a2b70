-- Rows that the edition which is read has at a later version than the one that is to be switched in.
select l.tenant_id, l.aggregate_id, l.version, coalesce(n.version, 0) as found
from public.{table} l
left join {next}.{table} n on n.tenant_id = l.tenant_id and n.aggregate_id = l.aggregate_id
where l.version > coalesce(n.version, 0)
order by l.tenant_id, l.aggregate_id
limit $1
