-- The oldest redrive of the same keys that was cut short: some of its keys are still to be asked for.
select r.id
from parked_request r
where r.projection = $1 and r.action = 'redrive' and r.filter = $2
  and exists (
      select from parked_request_key k where k.request_id = r.id and k.asked_at is null and k.outcome is null
  )
order by r.id
limit 1
