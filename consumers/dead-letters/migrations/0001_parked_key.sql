-- Keys whose events wait, in order, because one of them could not be applied.
create table parked_key (
    projection      text        not null,
    topic           text        not null,
    partition       integer     not null,
    key             bytea       not null,
    tenant_id       text,
    state           text        not null default 'parked',
    reason          text        not null,
    message         text        not null,
    first_offset    bigint      not null,
    attempts        integer     not null default 0,
    parked_at       timestamptz not null default clock_timestamp(),
    updated_at      timestamptz not null default clock_timestamp(),
    requested_at    timestamptz,
    request_actor   text,
    request_reason  text,
    request_offsets bigint[],
    request_foreign boolean,
    constraint parked_key_pkey primary key (projection, topic, partition, key),
    constraint parked_key_state_is_known check (state in ('parked', 'redrive', 'discard')),
    constraint parked_key_discard_is_reasoned check (
        state <> 'discard'
        or request_actor <> '' and request_reason <> '' and request_offsets is not null and request_foreign is not null
    )
);

comment on table parked_key is 'One row per parked key of a projection. Only the owner of the partition changes it; operators ask by state.';
comment on column parked_key.key is 'The record''s key bytes, or a digest of a key too long to be a name; empty for records without a key.';
comment on column parked_key.tenant_id is 'Whose it is, where that could be told.';
comment on column parked_key.state is 'parked; redrive or discard: asked for, the owner of the partition carries it out.';
comment on column parked_key.reason is 'Why it is parked: of its first record, or of the last redrive that failed.';
comment on column parked_key.attempts is 'Redrives that failed.';
comment on column parked_key.request_offsets is 'The records that a discard means; what parked later is not discarded.';
comment on column parked_key.request_foreign is 'The records are no events of the aggregate: its version does not move.';

alter table parked_key enable row level security;
alter table parked_key force row level security;
create policy parked_key_writer on parked_key to views_writer using (true) with check (true);
create policy parked_key_tenant on parked_key for select to dashboard
    using (tenant_id = current_setting('millrace.tenant', true));

grant select, insert, update, delete on parked_key to views_writer;
grant select on parked_key to dashboard;
