-- Leaves a request to whoever keeps the pace.
update parked_request set keys_per_s = $2 where id = $1
