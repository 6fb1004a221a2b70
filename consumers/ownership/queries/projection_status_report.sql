-- Says how far the partitions are. What was current stays so until it is current anew, unless the owner had to go back.
insert into projection_status as s (
    projection, topic, partition, epoch, next_offset, end_offset, current_at, newest_at, parked_keys, is_stopped
)
select $1, $2, x.partition, x.epoch, x.next_offset, x.end_offset,
       timestamptz 'epoch' + x.current_at * interval '1 microsecond',
       timestamptz 'epoch' + x.newest_at * interval '1 microsecond', x.parked_keys, x.is_stopped
from unnest($3::integer[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::boolean[])
    as x (partition, epoch, next_offset, end_offset, current_at, newest_at, parked_keys, is_stopped)
order by x.partition
on conflict on constraint projection_status_pkey do update set
    epoch = excluded.epoch,
    next_offset = excluded.next_offset,
    end_offset = coalesce(excluded.end_offset, s.end_offset),
    current_at = case
        when excluded.next_offset < s.next_offset then excluded.current_at
        else coalesce(excluded.current_at, s.current_at)
    end,
    newest_at = coalesce(excluded.newest_at, s.newest_at),
    parked_keys = excluded.parked_keys,
    is_stopped = excluded.is_stopped,
    updated_at = clock_timestamp()
where s.epoch <= excluded.epoch
