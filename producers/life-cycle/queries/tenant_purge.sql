-- Removes every row of the tenant from every table that names its tenant; rows by table.
select purge_tenant_rows($1, $2, $3)
