-- The views of the conformance suite's projection.
create table tally (
    like projection_row including all,
    repository text,
    steps bigint,
    tokens bigint,
    trail text,
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

comment on column tally.repository is 'Whose code it is.';
comment on column tally.trail is 'Personal: the steps, and nobody else''s business.';
comment on column tally.steps is 'Personal: how many.';
