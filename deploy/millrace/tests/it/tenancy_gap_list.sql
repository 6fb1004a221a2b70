-- What the catalog of a database lets happen that no tenant should have to trust: nothing, when all is well.
select format('table %s holds tenants'' rows and has no forced row-level security', c.oid::regclass) as gap
from pg_class as c
where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace
    and exists (select from pg_attribute as a where a.attrelid = c.oid and a.attname in ('tenant_id', 'tenant') and not a.attisdropped)
    and not (c.relrowsecurity and c.relforcerowsecurity)
union all
-- A partition has no policy on purpose: it refuses everyone who does not come through its table.
select format('table %s holds tenants'' rows and has no policy', c.oid::regclass)
from pg_class as c
where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace and not c.relispartition
    and exists (select from pg_attribute as a where a.attrelid = c.oid and a.attname in ('tenant_id', 'tenant') and not a.attisdropped)
    and not exists (select from pg_policy as p where p.polrelid = c.oid)
union all
select format('a policy of %s is for everybody', p.polrelid::regclass)
from pg_policy as p
where p.polroles = '{0}'
union all
select format('function %s may be called by everybody', p.oid::regprocedure)
from pg_proc as p
where p.pronamespace = 'public'::regnamespace
    and exists (
        select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as acl
        where acl.grantee = 0 and acl.privilege_type = 'EXECUTE')
union all
select format('function %s runs as its owner on the caller''s search path', p.oid::regprocedure)
from pg_proc as p
where p.pronamespace = 'public'::regnamespace and p.prosecdef
    and not exists (select from unnest(p.proconfig) as setting where setting like 'search_path=%')
union all
select format('role %s %s', r.rolname, case when r.rolsuper then 'is a superuser' else 'bypasses row-level security' end)
from pg_roles as r
where (r.rolsuper or r.rolbypassrls) and r.oid <> 10 and r.rolname !~ '^pg_'
union all
select format('role app may %s %s', acl.privilege_type, c.oid::regclass)
from pg_class as c, aclexplode(c.relacl) as acl
where c.relnamespace = 'public'::regnamespace and acl.grantee = 'app'::regrole and acl.privilege_type <> 'SELECT'
union all
select format('role %s may become owner', r.rolname)
from pg_roles as r
where r.rolname <> 'owner' and not r.rolsuper and pg_has_role(r.oid, 'owner', 'member')
order by 1
