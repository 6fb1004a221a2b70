-- The tenant's next streams that are not withdrawn, each with its last version.
select last.aggregate_id, last.aggregate_type, last.version
from (
    select distinct on (e.aggregate_id) e.aggregate_id, e.aggregate_type, e.version, e.event_type
    from event_store as e
    where e.tenant_id = $1
    order by e.aggregate_id, e.version desc
) as last
where last.event_type !~ 'Withdrawn$'
limit $2
