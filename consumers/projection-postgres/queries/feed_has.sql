-- Whether a place is still there, and with it everything after it.
select exists (select from projection_change where projection = $1 and id = $2)
