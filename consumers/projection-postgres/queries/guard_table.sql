-- Readers see the rows of the tenant that their session names, and nobody else's; projectors write them.
alter table {relation} enable row level security;
alter table {relation} force row level security;
create policy is_written on {relation} to views_writer using (true) with check (true);
create policy is_read_by_tenant on {relation} for select to dashboard
    using (tenant_id = current_setting('millrace.tenant', true));
grant select, insert, update on {relation} to views_writer;
grant select on {relation} to dashboard
