-- A thousand events for each of so many new aggregates, in one transaction, all like the tenant's newest.
with newest as materialized (
    select * from event_store where tenant_id = $1 order by position desc limit 1
)
select appended.*
from generate_series(1, $2) as thousand
cross join newest as like_it
cross join lateral append_events(
    $1,
    array[gen_random_uuid()],
    array[like_it.aggregate_type],
    array[0::bigint],
    array_fill(1, array[1000]),
    array(select gen_random_uuid() from generate_series(1, 1000) where thousand > 0),
    array_fill(like_it.event_type, array[1000]),
    array_fill(like_it.payload, array[1000]),
    array_fill(like_it.event_data, array[1000]),
    array_fill(like_it.metadata, array[1000]),
    array_fill(like_it.occurred_at, array[1000]),
    null,
    null) as appended
where appended.outcome = 'appended'
