-- Whoever reads the view reads its tables, as himself.
alter view {relation} set (security_invoker = true);
grant select on {relation} to dashboard, views_writer
