-- The newest place up to where the feed has settled.
select id
from projection_change
where projection = $1 and id <= $2
order by id desc
limit 1
