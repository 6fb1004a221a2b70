-- Snapshots by tenant, kind and shape.
select tenant_id, aggregate_type, shape, count(*) as snapshots, count(distinct aggregate_id) as aggregates,
    sum(octet_length(state))::bigint as stored_bytes, sum(state_bytes)::bigint as state_bytes, max(taken_at) as newest
from snapshot
where $1::text is null or tenant_id = $1
group by tenant_id, aggregate_type, shape
order by tenant_id, aggregate_type, shape
