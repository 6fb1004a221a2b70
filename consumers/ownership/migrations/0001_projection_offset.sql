-- Who owns each partition of a projection's topic, and how far the projection got.
create table projection_offset (
    projection  text        not null,
    topic       text        not null,
    partition   integer     not null,
    epoch       bigint      not null,
    next_offset bigint      not null,
    owner       text        not null,
    updated_at  timestamptz not null default clock_timestamp(),
    constraint projection_offset_pkey primary key (projection, topic, partition),
    constraint projection_offset_epoch_counts_from_one check (epoch >= 1),
    constraint projection_offset_is_not_negative check (next_offset >= 0)
) with (fillfactor = 20); -- updated with every flush: room for updates in place

comment on table projection_offset is 'One row per projection and partition: the truth about ownership and progress.';
comment on column projection_offset.epoch is 'Rises with every claim; a write under an older epoch matches nothing.';
comment on column projection_offset.next_offset is
    'First offset that is not applied. Moves in the transaction that writes the views. Redis projections keep theirs in Redis.';
comment on column projection_offset.owner is 'Who claimed it last, for people.';

grant select, insert, update on projection_offset to views_writer;
grant select on projection_offset to dashboard;
