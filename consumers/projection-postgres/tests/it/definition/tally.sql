-- The views of the conformance suite's projection.
create table tally (
    tenant_id text not null,
    aggregate_id uuid not null,
    version bigint not null,
    source_partition integer not null,
    source_offset bigint not null,
    occurred_at timestamptz,
    recorded_at timestamptz,
    updated_at timestamptz not null default clock_timestamp(),
    deleted_at timestamptz,
    repository text,
    steps bigint,
    tokens bigint,
    trail text,
    constraint tally_pkey primary key (tenant_id, aggregate_id),
    constraint tally_tokens_are_few check (tokens < 1000000000)
) with (fillfactor = 70);

create table tally_total (
    tenant_id text not null,
    repository text not null,
    source_partition integer not null,
    runs bigint not null default 0,
    steps bigint not null default 0,
    tokens bigint not null default 0,
    constraint tally_total_pkey primary key (tenant_id, repository, source_partition)
);

alter table tally enable row level security;
alter table tally force row level security;
create policy tally_writer on tally to views_writer using (true) with check (true);

grant select, insert, update on tally, tally_total to views_writer;
