-- What operators asked for on parked keys, and what came of it, key by key.
create table parked_request (
    id           bigint generated always as identity,
    projection   text        not null,
    action       text        not null,
    filter       jsonb       not null,
    reason       text,
    actor        text        not null,
    requested_at timestamptz not null default clock_timestamp(),
    constraint parked_request_pkey primary key (id),
    constraint parked_request_action_is_known check (action in ('redrive', 'discard', 'repair')),
    constraint parked_request_is_reasoned check (actor <> '' and (action = 'redrive' or reason <> ''))
);

comment on table parked_request is 'One row per request. Never changed: what came of it is in parked_request_key.';
comment on column parked_request.filter is 'Which keys were meant, as the operator said it.';

create table parked_request_key (
    request_id bigint  not null,
    place      integer not null,
    topic      text    not null,
    partition  integer not null,
    key        bytea   not null,
    tenant_id  text,
    asked_at   timestamptz,
    settled_at timestamptz,
    outcome    text,
    reason     text,
    message    text,
    constraint parked_request_key_pkey primary key (request_id, topic, partition, key),
    constraint parked_request_key_of_request foreign key (request_id) references parked_request (id),
    constraint parked_request_key_outcome_is_known check (outcome in ('done', 'failed', 'passed_over')),
    constraint parked_request_key_is_settled_once check ((outcome is null) = (settled_at is null))
);

create index parked_request_key_open on parked_request_key (request_id, place) where asked_at is null and outcome is null;

comment on table parked_request_key is 'The keys of a request in the order in which their owners are asked; the owner answers in its own transaction.';
comment on column parked_request_key.asked_at is 'When the owner was asked; null while that is still to come.';
comment on column parked_request_key.outcome is
    'done: carried out, nothing of the key is parked any more; failed: stopped at a record, see reason and message; passed_over: when its turn came it was not parked, or somebody else had asked.';

alter table parked_key add column request_id bigint;
comment on column parked_key.request_id is 'The request that the owner is to answer.';

-- A key with the record that blocks it: the first in the order in which they apply.
create view parked_key_seen with (security_invoker = true) as
select k.projection, k.topic, k.partition, k.key, k.tenant_id, k.state, k.reason, k.message, k.first_offset, k.attempts,
       k.parked_at, coalesce(e.events, 0) as events, e.event_type,
       regexp_replace(
           regexp_replace(k.message, '[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|\m[0-9a-f]{16,}\M', '<id>', 'g'),
           '-?[0-9]+([.][0-9]+)?', '<n>', 'g') as cause
from parked_key k
left join lateral (
    select count(*) as events, (array_agg(o.event_type order by o.place, o.version is null, o.record_offset))[1] as event_type
    from (
        select r.event_type, r.version, r.record_offset,
               coalesce(r.version, max(r.version) over (order by r.record_offset), 0) as place
        from parked_event r
        where r.projection = k.projection and r.topic = k.topic and r.partition = k.partition and r.key = k.key
          and r.released_at is null
    ) o
) e on true;

comment on view parked_key_seen is 'Parked keys as operators look at them; cause is the message without ids and numbers, so that equal causes are equal.';

alter table parked_request enable row level security;
alter table parked_request force row level security;
create policy parked_request_writer on parked_request to views_writer using (true) with check (true);
alter table parked_request_key enable row level security;
alter table parked_request_key force row level security;
create policy parked_request_key_writer on parked_request_key to views_writer using (true) with check (true);

grant select, insert on parked_request to views_writer;
grant select, insert, update on parked_request_key to views_writer;
grant select on parked_key_seen to views_writer;
