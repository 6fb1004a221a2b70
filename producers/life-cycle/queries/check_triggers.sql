-- The first trigger that the store depends on and that is missing or not always enabled.
select format('trigger %s of %s is %s', t.name, t.on_table, coalesce(
    case found.tgenabled when 'O' then 'not enabled for replication workers' when 'D' then 'disabled'
        when 'R' then 'enabled for replication workers only' end, 'missing'))
from (values
    ('event_store', 'event_store_fills_outbox'),
    ('event_store', 'event_store_is_immutable'),
    ('event_store', 'event_store_is_only_pruned'),
    ('event_store', 'event_store_refuses_removed'),
    ('store_audit', 'store_audit_is_immutable'),
    ('store_audit', 'store_audit_is_signed'),
    ('pruned', 'pruned_is_immutable'),
    ('pruned', 'pruned_is_signed'),
    ('pruned', 'pruned_only_comes_back'),
    ('subject_key', 'subject_key_keeps'),
    ('subject_key', 'subject_key_of_removed')
) as t (on_table, name)
left join pg_trigger as found on found.tgrelid = to_regclass('public.' || t.on_table) and found.tgname = t.name
where found.tgenabled is distinct from 'A'
limit 1
