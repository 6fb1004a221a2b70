select version from execution where tenant_id = $1 and aggregate_id = $2
