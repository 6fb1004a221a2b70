-- What was asked for and what came of it, the newest first; where a tenant is given, what was about its keys alone.
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
having $4::text is null
    or coalesce(bool_and(k.tenant_id is not distinct from $4) filter (where k.key is not null), r.filter ->> 'tenant' = $4)
order by r.id desc
limit $3
