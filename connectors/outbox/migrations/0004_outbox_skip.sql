-- Rows of the outbox that cannot pass into Kafka and were let by: each by its id, by a person, with a reason.
--
-- What stays of such a row is here; its payload stays in the log and in the outbox as long as they last, and its event, if
-- the store has one, for ever.

create table outbox_skip (
    skip_id  bigint      not null generated always as identity,
    event_id uuid        not null,
    lsn      pg_lsn      not null,
    row_told jsonb       not null,
    actor    text        not null,
    reason   text        not null,
    at       timestamptz not null default clock_timestamp(),

    constraint outbox_skip_pkey         primary key (skip_id),
    constraint outbox_skip_event_key    unique (event_id, lsn),
    constraint outbox_skip_row_check    check (jsonb_typeof(row_told) = 'object'),
    constraint outbox_skip_actor_check  check (length(actor) between 1 and 200),
    constraint outbox_skip_reason_check check (length(reason) between 1 and 2000)
);

comment on table outbox_skip is 'Rows of the outbox that were let by, because the connector could not pass them on; append-only.';
comment on column outbox_skip.event_id is 'The row''s id.';
comment on column outbox_skip.lsn is 'Where the row is in the log.';
comment on column outbox_skip.row_told is 'The row as the log tells it, payload_bytes (null: no payload) instead of the payload.';
comment on column outbox_skip.actor is 'Who let it by.';
comment on column outbox_skip.reason is 'Why, in their words.';
comment on column outbox_skip.at is 'When, by the database''s clock; just before the connector was told.';

create function outbox_skip_refuse_change() returns trigger language plpgsql set search_path = pg_catalog as $$
begin
    raise exception 'what was skipped stays written: % of outbox_skip is refused', lower(tg_op) using errcode = 'insufficient_privilege';
end
$$;
revoke all on function outbox_skip_refuse_change() from public;

create trigger outbox_skip_is_immutable before update or delete or truncate on outbox_skip
    for each statement execute function outbox_skip_refuse_change();
alter table outbox_skip enable always trigger outbox_skip_is_immutable;

grant select on outbox_skip to auditor;
