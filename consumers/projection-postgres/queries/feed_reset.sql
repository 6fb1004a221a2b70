-- Whoever follows the feed, if there is one, is to read the whole view anew.
insert into projection_change (projection, reset)
select $1, $2
where exists (select from projection_change where projection = $1)
