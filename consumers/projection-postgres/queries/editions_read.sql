-- Which edition of each projection is read, and since when.
select coalesce(string_agg(concat_ws(' ', projection, edition, made_at), ', ' order by projection), '')
from projection_edition
