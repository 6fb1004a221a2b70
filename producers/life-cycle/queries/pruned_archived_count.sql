-- How many of the tenant's events are in archives only.
select coalesce(sum(p.events), 0)::bigint from pruned as p
where p.tenant_id = $1 and p.reason = 'archived' and p.restored_by is null
