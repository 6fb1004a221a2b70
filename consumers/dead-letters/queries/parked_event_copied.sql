-- The dead-letter topic acknowledged these; those that were released meanwhile have no more to wait for.
with copied as (
    select x.topic, x.partition, x.record_offset
    from unnest($2::text[], $3::integer[], $4::bigint[]) as x (topic, partition, record_offset)
), gone as (
    delete from parked_event e
    using copied c
    where e.projection = $1 and e.topic = c.topic and e.partition = c.partition
      and e.record_offset = c.record_offset and e.released_at is not null
)
update parked_event e
set copied_at = clock_timestamp()
from copied c
where e.projection = $1 and e.topic = c.topic and e.partition = c.partition
  and e.record_offset = c.record_offset and e.released_at is null
