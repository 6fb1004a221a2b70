-- Notes that every stream of the tenant is withdrawn, and where the log was then; what was noted before stays.
update removed_tenant as r
set withdrawn_at = coalesce(r.withdrawn_at, clock_timestamp()),
    withdrawn_lsn = coalesce(r.withdrawn_lsn, pg_current_wal_insert_lsn())
where r.tenant_id = $1
