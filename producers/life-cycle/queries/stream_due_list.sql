-- Streams of one type whose last event is one of some types and was stored some days ago, with versions to archive.
select s.tenant_id, s.aggregate_id, s.first, s.last
from (
    select e.tenant_id, e.aggregate_id, min(e.version) as first, max(e.version) as last
    from event_store as e
    where e.aggregate_type = $1
    group by e.tenant_id, e.aggregate_id
    having max(e.version) > min(e.version) and max(e.recorded_at) < now() - make_interval(days => $3)
) as s
join event_store as e on e.aggregate_id = s.aggregate_id and e.version = s.last
where e.event_type = any ($2) and not exists (select from removed_tenant as r where r.tenant_id = s.tenant_id)
order by e.recorded_at, s.aggregate_id
limit $4
