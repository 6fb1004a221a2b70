-- How many keys of each request are due by its pace; of a repair none before its versions have arrived.
select id, keys
from (
    select r.id,
           case when last.at is null then 1
                else least(floor(r.keys_per_s * extract(epoch from clock_timestamp() - last.at)), $1)::integer
           end as keys
    from parked_request r
    cross join lateral (
        select max(coalesce(k.asked_at, k.settled_at)) as at from parked_request_key k where k.request_id = r.id
    ) last
    where r.keys_per_s is not null
      and exists (
          select from parked_request_key k
          where k.request_id = r.id and k.asked_at is null and k.outcome is null
      )
      and (r.action <> 'repair' or not exists (
          select
          from parked_request_key k
          join parked_key p using (topic, partition, key)
          cross join jsonb_array_elements_text(r.filter -> 'versions') as missing (version)
          where k.request_id = r.id and p.projection = r.projection and not exists (
              select from parked_event e
              where e.projection = r.projection and e.key = k.key and e.version = missing.version::bigint
                and e.released_at is null
          )
      ))
) d
where keys > 0
order by id
limit 100
