-- One keeps the pace at a time; the lock goes with the connection.
select pg_try_advisory_lock(hashtextextended('pace of parked requests', 0))
