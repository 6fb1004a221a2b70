-- The edition that is kept, where it stood, and the tables and views of the one that is read.
select k.edition, k.relations, k.offsets, e.relations
from projection_kept k
join projection_edition e using (projection)
where projection = $1
