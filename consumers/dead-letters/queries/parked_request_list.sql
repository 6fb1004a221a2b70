-- What was asked for and what came of it, the newest first.
select r.id, r.projection, r.action, r.filter, r.reason, r.actor, r.requested_at,
       count(k.key) as keys,
       count(k.key) filter (where k.asked_at is null and k.outcome is null) as to_ask,
       count(k.key) filter (where k.asked_at is not null and k.outcome is null) as open,
       count(k.key) filter (where k.outcome = 'done') as done,
       count(k.key) filter (where k.outcome = 'failed') as failed,
       count(k.key) filter (where k.outcome = 'passed_over') as passed_over,
       max(k.settled_at) as settled_at
from parked_request r
left join parked_request_key k on k.request_id = r.id
where ($1::bigint is null or r.id = $1) and ($2::text is null or r.projection = $2)
group by r.id
order by r.id desc
limit $3
