-- One relay at a time per projection; the lock goes with the connection.
select pg_try_advisory_lock(hashtextextended('dead-letters relay of ' || $1, 0))
