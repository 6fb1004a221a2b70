-- Records that are done with go; those that are not copied yet stay until they are.
with done as (
    select e.projection, e.topic, e.partition, e.record_offset, e.copied_at
    from parked_event e
    join unnest($3::integer[], $4::bigint[]) as x (partition, record_offset)
        on x.partition = e.partition and x.record_offset = e.record_offset
    where e.projection = $1 and e.topic = $2
    order by e.partition, e.record_offset
    for update of e
), kept as (
    update parked_event e
    set released_at = clock_timestamp()
    from done d
    where d.copied_at is null
      and e.projection = d.projection and e.topic = d.topic
      and e.partition = d.partition and e.record_offset = d.record_offset
)
delete from parked_event e
using done d
where d.copied_at is not null
  and e.projection = d.projection and e.topic = d.topic
  and e.partition = d.partition and e.record_offset = d.record_offset
