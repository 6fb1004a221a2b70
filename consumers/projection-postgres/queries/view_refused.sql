-- The first row that an upsert in this transaction did not write, and the version that stands in its place.
select t.tenant_id, t.aggregate_id, t.version
from {table} t
join {rows}
    on x.tenant_id = t.tenant_id and x.aggregate_id = t.aggregate_id
where t.version <> x.version
order by t.tenant_id, t.aggregate_id
limit 1
