-- The feed of a projection begins with a mark.
insert into projection_change (projection)
select $1
where not exists (select from projection_change where projection = $1)
