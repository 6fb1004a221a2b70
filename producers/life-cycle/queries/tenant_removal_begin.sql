-- Stops the tenant's appends, audited.
select begin_tenant_removal($1, $2, $3)
