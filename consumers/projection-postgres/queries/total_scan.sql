-- Every partition's share of every total.
select to_jsonb(t)::text as share
from {table} t
