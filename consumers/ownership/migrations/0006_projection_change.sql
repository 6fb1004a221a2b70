-- The feed: which rows of the views changed, written by the transaction that changes them, so that readers can be told.
create table projection_change (
    id            bigint      generated always as identity,
    projection    text        not null,
    tenant_id     text,
    aggregate_ids uuid[]      not null default '{}',
    reset         text,
    written_at    timestamptz not null default clock_timestamp(),
    constraint projection_change_pkey primary key (projection, id),
    constraint projection_change_is_somebodys check (tenant_id is not null or aggregate_ids = '{}'),
    constraint projection_change_resets_everybody check (tenant_id is null or reset is null)
);

comment on table projection_change is
    'One row per tenant and transaction that changes rows of a projection. Read in the order of id, up to projection_change_settled().';
comment on column projection_change.id is 'A reader''s place: as long as the row is there, all that come after it are.';
comment on column projection_change.projection is 'The projection.';
comment on column projection_change.tenant_id is
    'Whose rows; null: everybody''s business. Without a reset that is a mark, which moves readers on who have nothing to read.';
comment on column projection_change.aggregate_ids is 'Which rows changed. What they show is read from the view.';
comment on column projection_change.reset is 'Why the whole view is to be read anew, where it is.';
comment on column projection_change.written_at is 'When it was written. The oldest are forgotten, in the order of id.';

-- Announces that ids above this one may still appear, before taking any.
create function projection_change_announce() returns trigger language plpgsql security invoker
set search_path = pg_catalog, public, pg_temp as $$
begin
    perform pg_advisory_xact_lock_shared(
        x'4d53'::integer, coalesce(pg_sequence_last_value('public.projection_change_id_seq'), 0)::bit(32)::integer);
    return null;
end
$$;

comment on function projection_change_announce is 'What every writer of the feed tells its readers first.';
revoke all on function projection_change_announce from public;

create trigger projection_change_is_announced before insert on projection_change
    for each statement execute function projection_change_announce();

-- Ids become visible out of order. Each writer announces the last one it saw before it took its own, as a shared advisory lock;
-- what was taken before the lowest announcement belongs to transactions that have ended. The sequence is read first, the locks
-- after it, and the rows in a later statement. Transactions that change no view, and other databases, hold nobody back.
create function projection_change_settled() returns bigint language plpgsql volatile security invoker
set search_path = pg_catalog, public, pg_temp as $$
declare
    taken bigint;
    announced bigint;
begin
    if pg_is_in_recovery() then
        raise exception 'a standby does not know what is announced on its primary' using errcode = 'feature_not_supported';
    end if;
    select case when s.is_called then s.last_value else 0 end into taken from projection_change_id_seq as s;
    select min(taken - (taken - l.objid::bigint)::bit(32)::integer) into announced
    from pg_locks as l
    where l.locktype = 'advisory' and l.objsubid = 2 and l.classid::bigint = x'4d53'::bigint
        and l.database = (select d.oid from pg_database as d where d.datname = current_database());
    return least(taken, announced);
end
$$;

comment on function projection_change_settled is
    'No transaction can still write at or below this id. Read it in one statement and the rows in a later one; go on from rows alone.';
revoke all on function projection_change_settled from public;
grant execute on function projection_change_settled to dashboard;

alter table projection_change enable row level security;
alter table projection_change force row level security;
create policy projection_change_is_written on projection_change to views_writer using (true) with check (true);
create policy projection_change_is_reset on projection_change to owner using (tenant_id is null) with check (tenant_id is null);
-- A session names one tenant, or several with commas between them: one reader follows the feed for all of its tenants.
create policy projection_change_is_read on projection_change for select to dashboard
    using (tenant_id is null or tenant_id = any (string_to_array(current_setting('millrace.tenant', true), ',')));

grant select, insert, delete on projection_change to views_writer;
grant select on projection_change to dashboard;
grant select on sequence projection_change_id_seq to views_writer, dashboard;
