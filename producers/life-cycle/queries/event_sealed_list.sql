-- Events of the tenant with fields that certain keys seal, by aggregate: how many, from where to where, which fields.
select e.aggregate_id, e.aggregate_type, count(distinct e.version) as events, min(e.version) as first, max(e.version) as last,
    array_agg(distinct f.key order by f.key) as fields, count(*) as texts
from event_store as e
cross join lateral jsonb_each_text(e.event_data) as f
where e.tenant_id = $1 and f.value ~ $2
group by e.aggregate_id, e.aggregate_type
order by e.aggregate_id
