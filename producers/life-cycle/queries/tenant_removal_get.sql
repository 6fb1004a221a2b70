-- How far a tenant's removal is, and whether the slot has everything up to its withdrawals.
select r.withdrawn_lsn::text as withdrawn, r.purged_at is not null as purged, s.confirmed_flush_lsn::text as confirmed,
    coalesce(s.confirmed_flush_lsn >= r.withdrawn_lsn, false) as delivered
from removed_tenant as r
left join pg_replication_slots as s on s.slot_name = $2 and s.database = current_database()
where r.tenant_id = $1 and r.withdrawn_at is not null
