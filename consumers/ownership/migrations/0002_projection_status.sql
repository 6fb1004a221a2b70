-- How fresh the views are, as their owners say; a hint for readers and operators, never read by a projector.
create table projection_status (
    projection  text        not null,
    topic       text        not null,
    partition   integer     not null,
    epoch       bigint      not null,
    next_offset bigint      not null,
    end_offset  bigint,
    current_at  timestamptz,
    newest_at   timestamptz,
    parked_keys bigint      not null,
    is_stopped  boolean     not null,
    updated_at  timestamptz not null default clock_timestamp(),
    constraint projection_status_pkey primary key (projection, topic, partition)
) with (fillfactor = 20); -- updated every second: room for updates in place

comment on table projection_status is 'How far each partition of a projection is behind its topic, as its owner says about once a second.';
comment on column projection_status.projection is 'The projection.';
comment on column projection_status.topic is 'The topic it reads.';
comment on column projection_status.partition is 'The partition.';
comment on column projection_status.epoch is 'The owner''s epoch; an earlier owner is not heard.';
comment on column projection_status.next_offset is 'First offset that is neither applied nor parked.';
comment on column projection_status.end_offset is 'First offset that the partition does not have yet, as the broker last said; null until it did.';
comment on column projection_status.current_at is
    'Everything that was in the partition at this moment is applied or parked; null until that was ever so.';
comment on column projection_status.newest_at is 'When the newest event was recorded that this projection applied.';
comment on column projection_status.parked_keys is 'Keys whose events wait for a person.';
comment on column projection_status.is_stopped is 'The owner waits, since too much of the partition cannot be applied.';
comment on column projection_status.updated_at is 'When the owner last said so; long ago means that nobody owns the partition.';

grant select, insert, update on projection_status to views_writer;
grant select on projection_status to dashboard;

create view projection_freshness with (security_invoker = true) as
select
    projection,
    topic,
    case when bool_and(current_at is not null) then min(current_at) end as as_of,
    extract(epoch from clock_timestamp() - case when bool_and(current_at is not null) then min(current_at) end)::double precision
        as lag_seconds,
    sum(greatest(end_offset - next_offset, 0))::bigint as lag_records,
    max(newest_at) as newest_at,
    sum(parked_keys)::bigint as parked_keys,
    count(*) filter (where is_stopped) as stopped_partitions,
    min(updated_at) as reported_at
from projection_status
group by projection, topic;

comment on view projection_freshness is 'How fresh the views of a projection are, over all partitions of its topic.';
comment on column projection_freshness.projection is 'The projection.';
comment on column projection_freshness.topic is 'The topic it reads.';
comment on column projection_freshness.as_of is
    'Everything that was in the topic at this moment is applied or parked; null while that was not so in every partition.';
comment on column projection_freshness.lag_seconds is 'How long ago that was; up to a second while nothing lags.';
comment on column projection_freshness.lag_records is 'Records that are in the topic and not applied.';
comment on column projection_freshness.newest_at is 'When the newest event was recorded that is applied.';
comment on column projection_freshness.parked_keys is 'Keys whose events wait for a person.';
comment on column projection_freshness.stopped_partitions is 'Partitions whose owner waits for a person.';
comment on column projection_freshness.reported_at is 'When the owner that is silent for longest last said something.';

grant select on projection_freshness to dashboard, views_writer;
