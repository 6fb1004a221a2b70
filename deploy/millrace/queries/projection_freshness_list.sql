select projection, topic, as_of, lag_seconds, lag_records, newest_at, parked_keys, stopped_partitions, reported_at
from projection_freshness
order by projection, topic
