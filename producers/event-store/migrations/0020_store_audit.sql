-- What was done to the store besides appending: who did what to whose data, when, why, and how much of it.
--
-- Written in the transaction of the deed, by the functions that do it; never changed, like the events.

create table store_audit (
    audit_id       bigint      not null generated always as identity,
    tenant_id      text        not null,
    action         text        not null,
    actor          text        not null,
    reason         text        not null,
    at             timestamptz not null,
    events         bigint      not null default 0,
    digest         text,
    details        jsonb       not null default '{}',
    transaction_id xid8        not null,

    constraint store_audit_pkey            primary key (audit_id),
    constraint store_audit_transaction_key unique (audit_id, transaction_id),
    constraint store_audit_tenant_check    check (tenant_id ~ '^[a-z][a-z0-9-]*$' and length(tenant_id) <= 63),
    constraint store_audit_action_check    check (action ~ '^[a-z][a-z-]*$' and length(action) <= 63),
    constraint store_audit_actor_check     check (length(actor) between 1 and 200),
    constraint store_audit_reason_check    check (length(reason) between 1 and 2000),
    constraint store_audit_events_check    check (events >= 0),
    constraint store_audit_digest_check    check (digest ~ '^[0-9a-f]{32}$'),
    constraint store_audit_details_check   check (jsonb_typeof(details) = 'object')
);

comment on table store_audit is 'What was done to the store besides appending; append-only.';
comment on column store_audit.tenant_id is 'Whose data it was done to.';
comment on column store_audit.action is 'What was done: prune, erase-subject, remove-tenant …';
comment on column store_audit.actor is 'Who did it.';
comment on column store_audit.reason is 'Why, in their words.';
comment on column store_audit.at is 'When, by the database''s clock.';
comment on column store_audit.events is 'How many events it concerned.';
comment on column store_audit.digest is 'Sum over these events (event_digest), where they left the store.';
comment on column store_audit.details is 'What else there is to say about it.';
comment on column store_audit.transaction_id is 'The transaction that did it.';

create index store_audit_tenant_idx on store_audit (tenant_id, audit_id);

-- Nobody dates a deed back, or signs for another transaction.
create function sign_with_transaction() returns trigger language plpgsql set search_path = pg_catalog as $$
begin
    new.transaction_id := pg_current_xact_id();
    if tg_table_name = 'store_audit' then
        new.at := clock_timestamp();
    end if;
    return new;
end
$$;
revoke all on function sign_with_transaction() from public;

create trigger store_audit_is_signed before insert on store_audit
    for each row execute function sign_with_transaction();
create trigger store_audit_is_immutable before update or delete or truncate on store_audit
    for each statement execute function refuse_change();
alter table store_audit enable always trigger store_audit_is_signed;
alter table store_audit enable always trigger store_audit_is_immutable;

alter table store_audit enable row level security;
alter table store_audit force row level security;
create policy store_audit_tenant on store_audit to owner
    using (tenant_id = current_setting('millrace.tenant', true))
    with check (tenant_id = current_setting('millrace.tenant', true));
create policy store_audit_audit on store_audit for select to auditor using (true);
grant select on store_audit to auditor;

-- What stands for an event when sets of events are compared: the twin of events::Sum, so that the database itself can
-- say what left it. The first 16 bytes of SHA-256 over aggregate, version, event id and the payload's SHA-256.
create function event_digest(aggregate_id uuid, version bigint, event_id uuid, payload bytea)
returns numeric language sql immutable strict parallel safe set search_path = pg_catalog as $$
    select ('x' || substr(h.hex,  1, 8))::bit(32)::bigint::numeric * 79228162514264337593543950336
         + ('x' || substr(h.hex,  9, 8))::bit(32)::bigint::numeric * 18446744073709551616
         + ('x' || substr(h.hex, 17, 8))::bit(32)::bigint::numeric * 4294967296
         + ('x' || substr(h.hex, 25, 8))::bit(32)::bigint
    from (select encode(
        sha256(uuid_send(aggregate_id) || int8send(version) || uuid_send(event_id) || sha256(payload)), 'hex')
    ) as h(hex)
$$;

-- A sum of event digests, modulo 2^128, as events::Sum prints it.
create function digest_sum(total numeric) returns text language sql immutable strict parallel safe
set search_path = pg_catalog as $$
    select lpad(to_hex(div(t.total, 79228162514264337593543950336)::bigint), 8, '0')
        || lpad(to_hex(mod(div(t.total, 18446744073709551616), 4294967296)::bigint), 8, '0')
        || lpad(to_hex(mod(div(t.total, 4294967296), 4294967296)::bigint), 8, '0')
        || lpad(to_hex(mod(t.total, 4294967296)::bigint), 8, '0')
    from (select mod(digest_sum.total, 340282366920938463463374607431768211456)) as t(total)
$$;

revoke all on function event_digest from public;
revoke all on function digest_sum from public;
grant execute on function event_digest to auditor;
grant execute on function digest_sum to auditor;
