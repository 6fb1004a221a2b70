-- Prunes the tenant's next streams whole; how many streams and events that were.
with streams as (
    select array_agg(s.aggregate_id) as ids, array_agg(s.last) as lasts
    from (
        select e.aggregate_id, max(e.version) as last from event_store as e
        where e.tenant_id = $1 group by e.aggregate_id order by e.aggregate_id limit $4
    ) as s
)
select count(*) as streams, coalesce(sum(p.events), 0)::bigint as events
from streams cross join lateral prune_events($1, 'tenant-removed', $2, $3, streams.ids, streams.lasts) as p
where streams.ids is not null
