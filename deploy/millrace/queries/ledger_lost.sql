-- The events of these ranges of versions, each once, in the order of positions.
select distinct e.position, e.tenant_id, e.event_id, e.aggregate_id, e.version
from unnest($1::uuid[], $2::bigint[], $3::bigint[]) as k (aggregate_id, above, through)
join event_store e on e.aggregate_id = k.aggregate_id and e.version > k.above and e.version <= k.through
order by e.position
