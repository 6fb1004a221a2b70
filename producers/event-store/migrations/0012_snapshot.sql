-- States of aggregates, kept so that not their whole history has to be folded. Derived: all of it may be deleted at any time.

create table snapshot (
    tenant_id      text        not null,
    aggregate_id   uuid        not null,
    aggregate_type text        not null,
    shape          bigint      not null,
    version        bigint      not null,
    event_id       uuid        not null,
    state          bytea       not null,
    state_bytes    bigint      not null,
    checksum       bytea       not null,
    taken_at       timestamptz not null default clock_timestamp(),

    constraint snapshot_pkey           primary key (tenant_id, aggregate_id, shape, version),
    constraint snapshot_version_check  check (version >= 1),
    constraint snapshot_shape_check    check (shape >= 0),
    constraint snapshot_checksum_check check (octet_length(checksum) = 32)
);

comment on table snapshot is 'States of aggregates at a version; derived from event_store, and never trusted.';
comment on column snapshot.shape is 'What the state means: raised with the program.';
comment on column snapshot.event_id is 'The event at that version: a snapshot of another history does not count.';
comment on column snapshot.state is 'JSON, compressed by zstd.';
comment on column snapshot.state_bytes is 'How many bytes it has uncompressed.';
comment on column snapshot.checksum is 'SHA-256 over shape, version, event id and state.';

create index snapshot_taken_idx on snapshot (tenant_id, aggregate_id, taken_at desc);

alter table snapshot enable row level security;
alter table snapshot force row level security;
create policy snapshot_tenant on snapshot to app
    using (tenant_id = current_setting('millrace.tenant', true))
    with check (tenant_id = current_setting('millrace.tenant', true));
-- The owner cleans up after all tenants; there is nothing to learn or to lose here that the events do not say.
create policy snapshot_keeping on snapshot to owner using (true) with check (true);
create policy snapshot_audit on snapshot for select to auditor using (true);
grant select on snapshot to app, auditor;

-- The newest snapshot of one aggregate of one tenant in this shape; when there is none, the newest in another, without its
-- state. Only one whose event is still where it was: a restored or pruned history makes it count no more.
create function read_snapshot(tenant text, aggregate uuid, wanted_shape bigint) returns setof snapshot
language plpgsql volatile security invoker
set search_path = pg_catalog, public, pg_temp set enable_seqscan = off set jit = off as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
begin
    perform set_config('millrace.tenant', tenant, true);
    return query
        select s.tenant_id, s.aggregate_id, s.aggregate_type, s.shape, s.version, s.event_id,
            case when s.shape = wanted_shape then s.state else ''::bytea end, s.state_bytes, s.checksum, s.taken_at
        from snapshot as s
        where s.tenant_id = tenant and s.aggregate_id = aggregate and exists (
            select from event_store as e
            where e.aggregate_id = s.aggregate_id and e.version = s.version and e.event_id = s.event_id)
        order by s.shape = wanted_shape desc, s.version desc
        limit 1;
    perform set_config('millrace.tenant', callers_own, true);
end
$$;
comment on function read_snapshot is 'The newest snapshot of one aggregate of one tenant.';

-- Keeps a snapshot, and of those of its shape the newest `keep`. False: the store has no such event, so nothing is kept.
create function put_snapshot(
    tenant text, aggregate uuid, kind text, its_shape bigint, its_version bigint, its_event uuid,
    its_state bytea, its_state_bytes bigint, its_checksum bytea, keep integer
) returns boolean language plpgsql volatile security definer
set search_path = pg_catalog, public, pg_temp set enable_seqscan = off set jit = off as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
    known boolean;
begin
    perform set_config('millrace.tenant', tenant, true);
    select exists (
        select from event_store as e
        where e.aggregate_id = aggregate and e.version = its_version and e.event_id = its_event
            and e.aggregate_type = kind and e.tenant_id = tenant
    ) into known;
    if known then
        insert into snapshot as s (tenant_id, aggregate_id, aggregate_type, shape, version, event_id, state, state_bytes, checksum)
        values (tenant, aggregate, kind, its_shape, its_version, its_event, its_state, its_state_bytes, its_checksum)
        on conflict on constraint snapshot_pkey do update
            set event_id = excluded.event_id, state = excluded.state, state_bytes = excluded.state_bytes,
                checksum = excluded.checksum, taken_at = excluded.taken_at;
        delete from snapshot as s
        where s.tenant_id = tenant and s.aggregate_id = aggregate and s.shape = its_shape and s.version < (
            select k.version from snapshot as k
            where k.tenant_id = tenant and k.aggregate_id = aggregate and k.shape = its_shape
            order by k.version desc offset greatest(keep, 1) - 1 limit 1);
    end if;
    perform set_config('millrace.tenant', callers_own, true);
    return known;
end
$$;
comment on function put_snapshot is 'Keeps a snapshot of one aggregate of one tenant.';

revoke all on function read_snapshot, put_snapshot from public;
grant execute on function read_snapshot, put_snapshot to app;
