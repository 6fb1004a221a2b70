-- The versions that a projection does without.
select tenant_id, aggregate_id, version from decision where projection = $1 and version is not null
