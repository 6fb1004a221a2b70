-- The events that people had published again, and why.
select (jsonb_array_elements_text(details -> 'events'))::uuid, reason, actor
from store_audit
where action = 'reconcile-topic' and details ? 'events'
