-- The next keys that are wrapped by another master key than the one in use.
select k.tenant_id, k.key_id, k.subject, k.wrapped, k.master
from subject_key as k
where k.destroyed_at is null and k.master <> $1
order by k.tenant_id, k.key_id
limit 500
