-- How far followers of the log have come, for those whose effect is in this database: both are written in one transaction.

create table subscription_checkpoint (
    name     text        not null,
    lane     smallint    not null default 0,
    position bigint      not null,
    moved_at timestamptz not null default clock_timestamp(),

    constraint subscription_checkpoint_pkey           primary key (name, lane),
    constraint subscription_checkpoint_name_check     check (length(name) between 1 and 100),
    constraint subscription_checkpoint_lane_check     check (lane >= 0),
    constraint subscription_checkpoint_position_check check (position >= 0)
);

comment on table subscription_checkpoint is 'How far each follower of the log has come.';
comment on column subscription_checkpoint.name is 'Who follows.';
comment on column subscription_checkpoint.lane is 'Which share of the aggregates, where a follower works on several side by side.';
comment on column subscription_checkpoint.position is 'The effects of every event up to here are there.';

grant select on subscription_checkpoint to app, auditor;

-- Moves a checkpoint from where the caller knows it to be. False: it is elsewhere, so somebody else follows under the same
-- name; the caller must roll back its effect. The first move is from 0.
create function subscription_checkpoint_move(follower text, which smallint, from_position bigint, to_position bigint)
returns boolean language plpgsql volatile security definer
set search_path = pg_catalog, public, pg_temp as $$
begin
    if from_position = 0 then
        insert into subscription_checkpoint (name, lane, position) values (follower, which, 0) on conflict do nothing;
    end if;
    update subscription_checkpoint set position = to_position, moved_at = clock_timestamp()
    where name = follower and lane = which and position = from_position and to_position >= from_position;
    return found;
end
$$;

comment on function subscription_checkpoint_move is
    'Moves a follower''s checkpoint, in the transaction of its effect; false when the checkpoint is not where the caller thinks.';

-- Begins anew: the next read starts at the first event.
create function subscription_checkpoint_drop(follower text) returns bigint language sql volatile security definer
set search_path = pg_catalog, public, pg_temp as $$
    with gone as (delete from subscription_checkpoint where name = follower returning 1) select count(*) from gone
$$;

comment on function subscription_checkpoint_drop is 'Forgets how far a follower has come.';

revoke all on function subscription_checkpoint_move, subscription_checkpoint_drop from public;
grant execute on function subscription_checkpoint_move, subscription_checkpoint_drop to app;
