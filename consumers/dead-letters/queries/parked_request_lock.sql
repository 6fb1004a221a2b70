-- One operator at a time writes down what a redrive of a projection means.
select pg_advisory_xact_lock(hashtextextended('parked requests of ' || $1, 0))
