-- What was done to the store besides appending, the newest first.
select audit_id, at::text as at, tenant_id as tenant, action, actor, reason, events, digest, details
from store_audit
where $1::text is null or tenant_id = $1
order by audit_id desc
limit $2
