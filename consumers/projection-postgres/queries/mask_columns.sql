-- The columns of a table in their order; a comment that begins with "Personal: " marks what analysts are not to see.
select a.attname::text as name,
       format_type(a.atttypid, a.atttypmod) as type,
       coalesce(col_description(a.attrelid, a.attnum), '') as about
from pg_attribute a
where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped
order by a.attnum
