-- Keys of a data subject that are not destroyed, or, where there is none, those that were.
select k.key_id, k.destroyed_at is not null as destroyed
from subject_key as k
where k.tenant_id = $1 and k.subject = $2
    and (k.destroyed_at is null or not exists (
        select from subject_key as live
        where live.tenant_id = $1 and live.subject = $2 and live.destroyed_at is null))
order by k.key_id
