-- What every table of views has beside the view's own columns: such a table is made `(like projection_row including all, …)`.
create table projection_row (
    tenant_id        text        not null,
    aggregate_id     uuid        not null,
    version          bigint      not null,
    source_partition integer     not null,
    source_offset    bigint      not null,
    occurred_at      timestamptz,
    recorded_at      timestamptz,
    updated_at       timestamptz not null default clock_timestamp(),
    deleted_at       timestamptz,
    constraint projection_row_pkey primary key (tenant_id, aggregate_id),
    constraint version_counts_from_one check (version >= 1)
);

comment on table projection_row is 'The columns of every table of views; it has no rows itself.';
comment on column projection_row.tenant_id is 'Whose it is; row-level security compares it with the setting millrace.tenant.';
comment on column projection_row.aggregate_id is 'The aggregate whose view this is.';
comment on column projection_row.version is 'The version of the newest event in this row. A write with an older one changes nothing.';
comment on column projection_row.source_partition is 'The partition of the topic that event came from.';
comment on column projection_row.source_offset is 'Its offset there; -1 where it came from the event store.';
comment on column projection_row.occurred_at is 'When that event happened.';
comment on column projection_row.recorded_at is 'When the event store wrote it.';
comment on column projection_row.updated_at is 'When this row was written.';
comment on column projection_row.deleted_at is
    'When the view was deleted: the row stays, so that a late copy of an old event cannot bring it back.';

alter table projection_row enable row level security;
alter table projection_row force row level security;
create policy projection_row_has_none on projection_row to views_writer using (false);
