-- Writes a request down.
insert into parked_request (projection, action, filter, reason, actor)
values ($1, $2, $3, $4, $5)
returning id
