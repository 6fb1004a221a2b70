-- How far a tenant's removal is, and whether the slot has everything up to its withdrawals.
select r.begun_at::text as begun_at, a.actor, a.reason, r.withdrawn_at::text as withdrawn_at,
    r.withdrawn_lsn::text as withdrawn, r.purged_at::text as purged_at, s.confirmed_flush_lsn::text as confirmed,
    coalesce(s.confirmed_flush_lsn >= r.withdrawn_lsn, false) as delivered
from removed_tenant as r
join store_audit as a on a.audit_id = r.begun_by
left join pg_replication_slots as s on s.slot_name = $2 and s.database = current_database()
where r.tenant_id = $1
