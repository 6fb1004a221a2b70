-- The first pruned range that does not follow the one before it, or whose stream is gone though its tenant was not removed.
select format('versions %s to %s of aggregate %s were pruned, %s', p.from_version, p.to_version, p.aggregate_id,
    case when p.from_version <> p.before + 1 then format('but the range before it ends at %s', p.before)
        else 'and nothing of it is left' end)
from (
    select p.*, lag(p.to_version, 1, 0::bigint) over (partition by p.aggregate_id order by p.from_version) as before
    from pruned as p where p.restored_by is null
) as p
where p.from_version <> p.before + 1
    or (p.reason <> 'tenant-removed'
        and not exists (select from event_store as e where e.aggregate_id = p.aggregate_id)
        and not exists (select from removed_tenant as r where r.tenant_id = p.tenant_id))
order by p.aggregate_id, p.from_version
limit 1
