-- The record at which a redrive stopped.
update parked_event
set attempts = attempts + 1, reason = $5, message = $6
where projection = $1 and topic = $2 and partition = $3 and record_offset = $4
