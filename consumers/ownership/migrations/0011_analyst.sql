-- Analysts read views without personal data, and how fresh these are.
grant select on projection_status, projection_freshness to analyst;
