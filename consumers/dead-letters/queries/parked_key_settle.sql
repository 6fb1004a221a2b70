-- A request that could not be carried out to its end: the key stays parked and says why, and so does the request.
with asked as (
    select request_id from parked_key where projection = $1 and topic = $2 and partition = $3 and key = $4
), answered as (
    update parked_request_key r
    set outcome = 'failed', reason = $5, message = $6, settled_at = clock_timestamp()
    from asked a
    where r.request_id = a.request_id and r.topic = $2 and r.partition = $3 and r.key = $4 and r.outcome is null
)
update parked_key
set state = 'parked', attempts = attempts + 1, reason = $5, message = $6, updated_at = clock_timestamp(),
    requested_at = null, request_actor = null, request_reason = null, request_offsets = null, request_foreign = null,
    request_id = null
where projection = $1 and topic = $2 and partition = $3 and key = $4
