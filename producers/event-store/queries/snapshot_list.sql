-- Snapshots, newest first, of one tenant or one aggregate where named.
select tenant_id, aggregate_id, aggregate_type, shape, version, octet_length(state)::bigint as stored_bytes, state_bytes, taken_at
from snapshot
where ($1::text is null or tenant_id = $1) and ($2::uuid is null or aggregate_id = $2)
order by taken_at desc
limit $3
