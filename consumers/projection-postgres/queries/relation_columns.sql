-- The columns of a table or view in their order, with their types, what they mean, and whether they are never null.
select a.attname::text as name,
       format_type(a.atttypid, a.atttypmod) as type,
       coalesce(col_description(a.attrelid, a.attnum), '') as about,
       a.attnotnull as is_set
from pg_attribute a
where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped
  and has_column_privilege(a.attrelid, a.attnum, 'select')
order by a.attnum
