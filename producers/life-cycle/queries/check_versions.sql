-- The first stream that does not begin at version 1, or after what was pruned, or has a gap.
select format('aggregate %s of tenant %s has %s events, versions %s to %s; versions up to %s were pruned',
    s.aggregate_id, s.tenant_id, s.events, s.first, s.last, s.pruned)
from (
    select e.tenant_id, e.aggregate_id, count(*) as events, min(e.version) as first, max(e.version) as last,
        coalesce((
            select max(p.to_version) from pruned as p
            where p.aggregate_id = e.aggregate_id and p.restored_by is null), 0) as pruned
    from event_store as e
    group by e.tenant_id, e.aggregate_id
) as s
where s.first <> s.pruned + 1 or s.events <> s.last - s.first + 1
order by s.aggregate_id
limit 1
