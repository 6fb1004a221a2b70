-- Asks the owner of the partition to work on a key.
update parked_key
set state = $5, requested_at = clock_timestamp(), request_actor = $6, request_reason = $7, request_offsets = $8,
    request_foreign = $9, updated_at = clock_timestamp()
where projection = $1 and topic = $2 and partition = $3 and key = $4 and state = 'parked'
