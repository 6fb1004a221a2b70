-- Events up to this position are in it; only if it stands where we think.
update projection_rebuild
set after_position = $3, events = events + $4, updated_at = clock_timestamp()
where projection = $1 and after_position = $2
