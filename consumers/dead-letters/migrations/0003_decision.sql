-- What was decided about events that have no effect: durable, replayed by every rebuild, listed by verify.
create table decision (
    id            bigint generated always as identity,
    projection    text        not null,
    topic         text        not null,
    partition     integer     not null,
    record_offset bigint,
    tenant_id     text,
    aggregate_id  uuid,
    version       bigint,
    event_id      uuid,
    reason        text        not null,
    actor         text        not null,
    decided_at    timestamptz not null default clock_timestamp(),
    constraint decision_pkey primary key (id),
    constraint decision_is_about_something check (record_offset is not null or version is not null),
    constraint decision_names_version_whole check (
        (version is null) = (aggregate_id is null) and (version is null) = (tenant_id is null)
    ),
    constraint decision_is_reasoned check (reason <> '' and actor <> '')
);

create unique index decision_of_version on decision (projection, tenant_id, aggregate_id, version)
    where version is not null;
create unique index decision_of_record on decision (projection, topic, partition, record_offset)
    where version is null;
create index decision_of_partition on decision (projection, topic, partition);

comment on table decision is 'One row per version of an aggregate, or foreign record, that a projection does without. Never changed.';
comment on column decision.record_offset is 'Where the record lay; null for a version that never came.';
comment on column decision.version is 'The version that advances without effect; null for a foreign record, which has none.';
comment on column decision.actor is 'Who decided.';

alter table decision enable row level security;
alter table decision force row level security;
create policy decision_writer on decision to views_writer using (true) with check (true);
create policy decision_tenant on decision for select to dashboard
    using (tenant_id = current_setting('millrace.tenant', true));

grant select, insert on decision to views_writer;
grant select on decision to dashboard;
