-- Requests that are asked for at a pace by whoever keeps it, and keys that are one tenant's alone.
alter table parked_request add column keys_per_s double precision;
alter table parked_request add constraint parked_request_pace_is_one check (keys_per_s > 0 and keys_per_s < 'infinity');
comment on table parked_request is 'One row per request. Never changed but for its pace: what came of it is in parked_request_key.';
comment on column parked_request.keys_per_s is
    'How many keys a second whoever keeps the pace asks for at most; null: whoever made the request asks.';
grant update (keys_per_s) on parked_request to views_writer;

create or replace view parked_key_seen with (security_invoker = true) as
select k.projection, k.topic, k.partition, k.key, case when e.are_its_own then k.tenant_id end as tenant_id, k.state,
       k.reason, k.message, k.first_offset, k.attempts, k.parked_at, coalesce(e.events, 0) as events, e.event_type,
       regexp_replace(
           regexp_replace(k.message, '[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|\m[0-9a-f]{16,}\M', '<id>', 'g'),
           '-?[0-9]+([.][0-9]+)?', '<n>', 'g') as cause
from parked_key k
left join lateral (
    select count(*) as events, bool_and(o.tenant_id is not distinct from k.tenant_id) as are_its_own,
           (array_agg(o.event_type order by o.place, o.version is null, o.record_offset))[1] as event_type
    from (
        select r.event_type, r.version, r.record_offset, r.tenant_id,
               coalesce(r.version, max(r.version) over (order by r.record_offset), 0) as place
        from parked_event r
        where r.projection = k.projection and r.topic = k.topic and r.partition = k.partition and r.key = k.key
          and r.released_at is null
    ) o
) e on true;

comment on column parked_key_seen.tenant_id is 'Whose the key is; null where that could not be told, and where one of its records is not theirs.';
