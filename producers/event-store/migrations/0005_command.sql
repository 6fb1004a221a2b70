-- Answers to commands that carried an idempotency key: the same command again gets the same answer.
--
-- The row is written by append_events in the transaction of the events, so that neither exists without the other. What a
-- command led to is not stored twice: the row says where its events are.

create table command (
    tenant_id       text        not null,
    key             text        not null,
    body_digest     bytea       not null,
    answered_at     timestamptz not null,
    aggregate_ids   uuid[]      not null,
    versions        bigint[]    not null,
    first_positions bigint[]    not null,
    last_positions  bigint[]    not null,
    event_counts    integer[]   not null,

    constraint command_pkey              primary key (tenant_id, key),
    constraint command_tenant_check      check (tenant_id ~ '^[a-z][a-z0-9-]*$' and length(tenant_id) <= 63),
    constraint command_key_check         check (key collate "C" ~ '^[!-~]+$' and length(key) <= 255),
    constraint command_body_digest_check check (octet_length(body_digest) = 32),
    constraint command_answer_check      check (
        cardinality(aggregate_ids) >= 1
        and cardinality(versions) = cardinality(aggregate_ids)
        and cardinality(first_positions) = cardinality(aggregate_ids)
        and cardinality(last_positions) = cardinality(aggregate_ids)
        and cardinality(event_counts) = cardinality(aggregate_ids))
);

create index command_answered_at_idx on command (answered_at);

comment on table command is 'Commands that were answered, by the key their sender gave; forgotten after a time (command_expire).';
comment on column command.tenant_id is 'Whose command it was; another tenant''s key is another key.';
comment on column command.key is 'What its sender calls it: 1 to 255 visible ASCII characters.';
comment on column command.body_digest is 'SHA-256 of the command: the same key with another one is refused.';
comment on column command.answered_at is 'When it was answered: recorded_at of its events.';
comment on column command.aggregate_ids is 'The aggregates it was about, in its order; the other arrays follow this one.';
comment on column command.versions is 'The aggregates'' versions after it.';
comment on column command.first_positions is 'Position of the first event of each; null where it changed nothing.';
comment on column command.last_positions is 'Position of the last event of each; null where it changed nothing.';
comment on column command.event_counts is 'How many events it led to; 0 where it changed nothing.';

alter table command enable row level security;
alter table command force row level security;
create policy command_tenant on command to owner, app
    using (tenant_id = current_setting('millrace.tenant', true))
    with check (tenant_id = current_setting('millrace.tenant', true));
create policy command_audit on command for select to auditor using (true);
-- What is past any sensible retry is the owner's to forget, whoever's it was.
create policy command_expiry_select on command for select to owner using (answered_at < now() - interval '1 hour');
create policy command_expiry_delete on command for delete to owner using (answered_at < now() - interval '1 hour');

grant select on command to app, auditor;

-- Forgets at most so many of the oldest answers from before a moment; returns how many.
create function command_expire(answered_before timestamptz, most integer) returns bigint
language sql volatile security invoker set search_path = pg_catalog, public, pg_temp as $$
    with expired as (
        delete from command where (tenant_id, key) in (
            select tenant_id, key from command
            where answered_at < answered_before
            order by answered_at
            limit most)
        returning 1
    )
    select count(*) from expired
$$;

comment on function command_expire is 'Forgets answers to commands from before a moment, the oldest first; never those of the last hour.';

revoke all on function command_expire from public;
