-- Keys without a waiting record are free; whoever asked for that is answered.
with free as (
    delete from parked_key k
    using unnest($3::integer[], $4::bytea[]) as x (partition, key)
    where k.projection = $1 and k.topic = $2 and k.partition = x.partition and k.key = x.key
      and not exists (
          select from parked_event e
          where e.projection = k.projection and e.topic = k.topic and e.partition = k.partition and e.key = k.key
            and e.released_at is null
      )
    returning k.topic, k.partition, k.key, k.request_id
)
update parked_request_key r
set outcome = 'done', settled_at = clock_timestamp()
from free f
where r.request_id = f.request_id and r.topic = f.topic and r.partition = f.partition and r.key = f.key
  and r.outcome is null
