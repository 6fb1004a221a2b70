-- Asks the owner for the next key of a redrive; one that is not there to be asked for any more is passed over.
with next as (
    select r.projection, r.actor, k.topic, k.partition, k.key
    from parked_request_key k
    join parked_request r on r.id = k.request_id
    where k.request_id = $1 and k.asked_at is null and k.outcome is null
    order by k.place
    limit 1
    for update of k skip locked
), asked as (
    update parked_key k
    set state = 'redrive', requested_at = clock_timestamp(), request_actor = n.actor, request_id = $1,
        updated_at = clock_timestamp()
    from next n
    where k.projection = n.projection and k.topic = n.topic and k.partition = n.partition and k.key = n.key
      and k.state = 'parked'
    returning k.key
)
update parked_request_key r
set asked_at = case when exists (select from asked) then clock_timestamp() end,
    outcome = case when not exists (select from asked) then 'passed_over' end,
    settled_at = case when not exists (select from asked) then clock_timestamp() end
from next n
where r.request_id = $1 and r.topic = n.topic and r.partition = n.partition and r.key = n.key
returning r.key, r.partition, r.asked_at is not null as asked
