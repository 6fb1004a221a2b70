-- The versions that a projection does without.
select aggregate_id, version from decision where projection = $1 and version is not null
