-- What removing the tenant would take.
select (select count(distinct e.aggregate_id) from event_store as e where e.tenant_id = $1) as streams,
    (select count(*) from event_store as e where e.tenant_id = $1) as events,
    (select count(*) from subject_key as k where k.tenant_id = $1 and k.destroyed_at is null) as keys
