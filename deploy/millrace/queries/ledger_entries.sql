-- The events of these ranges of versions, each with what goes into its sum: to compute that here takes event_digest() half a millisecond.
select e.aggregate_id, e.version, e.event_id, sha256(e.payload) as payload_digest,
       (extract(epoch from e.recorded_at) * 1000000)::bigint as recorded_at_micros
from unnest($1::uuid[], $2::bigint[], $3::bigint[]) as k (aggregate_id, above, through)
join event_store e on e.aggregate_id = k.aggregate_id and e.version > k.above and e.version <= k.through
