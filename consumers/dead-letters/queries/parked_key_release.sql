-- Keys without a waiting record are free.
delete from parked_key k
using unnest($3::integer[], $4::bytea[]) as x (partition, key)
where k.projection = $1 and k.topic = $2 and k.partition = x.partition and k.key = x.key
  and not exists (
      select from parked_event e
      where e.projection = k.projection and e.topic = k.topic and e.partition = k.partition and e.key = k.key
        and e.released_at is null
  )
