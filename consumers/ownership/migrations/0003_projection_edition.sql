-- Which edition of a projection's views is read, which one is kept to go back to, and how far one is that is being made.
create table projection_edition (
    projection text        not null,
    edition    integer     not null,
    relations  text[]      not null,
    made_at    timestamptz not null default clock_timestamp(),
    constraint projection_edition_pkey primary key (projection),
    constraint projection_edition_counts_from_one check (edition >= 1)
);

comment on table projection_edition is 'The edition of each projection''s views that is read and written.';
comment on column projection_edition.projection is 'The projection.';
comment on column projection_edition.edition is 'What the program calls it that made it; a program of another edition does not write it.';
comment on column projection_edition.relations is 'Its tables and views.';
comment on column projection_edition.made_at is 'Since when it is read.';

create table projection_kept (
    projection text        not null,
    edition    integer     not null,
    relations  text[]      not null,
    offsets    jsonb       not null,
    kept_at    timestamptz not null default clock_timestamp(),
    constraint projection_kept_pkey primary key (projection)
);

comment on table projection_kept is 'The edition that was read before, to go back to; its tables are in the schema <projection>_kept.';
comment on column projection_kept.projection is 'The projection.';
comment on column projection_kept.edition is 'Its edition.';
comment on column projection_kept.relations is 'Its tables and views.';
comment on column projection_kept.offsets is 'Where it stands: topic, partition and first offset that it has not applied.';
comment on column projection_kept.kept_at is 'Since when it is not written.';

create table projection_rebuild (
    projection     text        not null,
    edition        integer     not null,
    after_position bigint      not null default 0,
    events         bigint      not null default 0,
    started_at     timestamptz not null default clock_timestamp(),
    updated_at     timestamptz not null default clock_timestamp(),
    constraint projection_rebuild_pkey primary key (projection)
);

comment on table projection_rebuild is 'The edition that is being made from the event store; its tables are in the schema <projection>_next.';
comment on column projection_rebuild.projection is 'The projection.';
comment on column projection_rebuild.edition is 'The edition that it becomes.';
comment on column projection_rebuild.after_position is 'Events of the store up to this position are in it.';
comment on column projection_rebuild.events is 'How many these are.';
comment on column projection_rebuild.started_at is 'Since when it is made.';
comment on column projection_rebuild.updated_at is 'When it last came further.';

grant select on projection_edition, projection_kept to views_writer, dashboard;
grant select, update on projection_rebuild to views_writer;
grant select on projection_rebuild to dashboard;
