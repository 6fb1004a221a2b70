-- What an application notes about a stream beside its events: keys and values, bounded, with a revision, audited.

create table stream_metadata (
    tenant_id    text        not null,
    aggregate_id uuid        not null,
    revision     bigint      not null,
    metadata     jsonb       not null,
    set_at       timestamptz not null,
    set_by       text        not null,

    constraint stream_metadata_pkey           primary key (aggregate_id),
    constraint stream_metadata_tenant_check   check (tenant_id ~ '^[a-z][a-z0-9-]*$' and length(tenant_id) <= 63),
    constraint stream_metadata_revision_check check (revision >= 1),
    constraint stream_metadata_object_check   check (jsonb_typeof(metadata) = 'object'),
    constraint stream_metadata_size_check     check (octet_length(metadata::text) <= 16384)
);

comment on table stream_metadata is 'Notes about streams; not events, so nobody downstream is told.';
comment on column stream_metadata.revision is 'How often it was set: who sets it names the revision it knows.';
comment on column stream_metadata.metadata is 'Keys and values, at most 16 KiB.';

create index stream_metadata_tenant_idx on stream_metadata (tenant_id);
alter table stream_metadata enable row level security;
alter table stream_metadata force row level security;
create policy stream_metadata_tenant on stream_metadata to owner, app
    using (tenant_id = current_setting('millrace.tenant', true))
    with check (tenant_id = current_setting('millrace.tenant', true));
create policy stream_metadata_audit on stream_metadata for select to auditor using (true);
grant select on stream_metadata to app, auditor;

-- Sets a stream's metadata if its revision is the expected one (0: it has none yet), and answers with what is there then.
-- The stream must have events; another tenant's does not, as far as anybody is told.
create function set_stream_metadata(tenant text, aggregate uuid, expected bigint, new_metadata jsonb, actor text)
returns table (outcome text, revision bigint, metadata jsonb) language plpgsql volatile security definer
set search_path = pg_catalog, public, pg_temp as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
    known       stream_metadata;
begin
    perform set_config('millrace.tenant', tenant, true);
    perform pg_advisory_xact_lock(hashtextextended('stream_metadata ' || aggregate, 0));
    select m.* into known from stream_metadata as m where m.aggregate_id = aggregate;
    if coalesce(known.revision, 0) <> expected then
        return query select 'conflict', coalesce(known.revision, 0), known.metadata;
    elsif not exists (select from event_store as e where e.aggregate_id = aggregate) then
        return query select 'unknown', 0::bigint, null::jsonb;
    else
        insert into stream_metadata as m (tenant_id, aggregate_id, revision, metadata, set_at, set_by)
        values (tenant, aggregate, expected + 1, new_metadata, clock_timestamp(), actor)
        on conflict (aggregate_id) do update
        set revision = excluded.revision, metadata = excluded.metadata, set_at = excluded.set_at, set_by = excluded.set_by;
        insert into store_audit (tenant_id, action, actor, reason, details)
        values (tenant, 'set-metadata', set_stream_metadata.actor, 'stream metadata was set', jsonb_build_object(
            'aggregate_id', aggregate, 'revision', expected + 1, 'before', known.metadata));
        return query select 'set', expected + 1, new_metadata;
    end if;
    perform set_config('millrace.tenant', callers_own, true);
end
$$;
comment on function set_stream_metadata is 'Sets a stream''s metadata at an expected revision, audited.';
revoke all on function set_stream_metadata from public;
grant execute on function set_stream_metadata to app;

-- A stream's metadata; no row if it has none. One round trip that names its tenant.
create function read_stream_metadata(tenant text, aggregate uuid) returns setof stream_metadata
language plpgsql volatile security invoker set search_path = pg_catalog, public, pg_temp as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
begin
    perform set_config('millrace.tenant', tenant, true);
    return query select m.* from stream_metadata as m where m.aggregate_id = aggregate;
    perform set_config('millrace.tenant', callers_own, true);
end
$$;
comment on function read_stream_metadata is 'A stream''s metadata, as its tenant.';
revoke all on function read_stream_metadata from public;
grant execute on function read_stream_metadata to app;
