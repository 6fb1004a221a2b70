-- A request that could not be carried out to its end: the key stays parked and says why.
update parked_key
set state = 'parked', attempts = attempts + 1, reason = $5, message = $6, updated_at = clock_timestamp(),
    requested_at = null, request_actor = null, request_reason = null, request_offsets = null, request_foreign = null
where projection = $1 and topic = $2 and partition = $3 and key = $4
