-- Makes the roles of the cluster that are missing. A failing statement is logged; one with a password must not be.
set log_min_error_statement = panic;
set log_statement = none;

do $roles$
declare
    wanted record;
begin
    for wanted in
        select * from (values
            ('owner',        'login',             '{owner}'),
            ('app',          'login',             '{app}'),
            ('cdc',          'login replication', '{cdc}'),
            ('auditor',      'login',             '{auditor}'),
            ('views_writer', 'login',             '{views_writer}'),
            ('dashboard',    'login',             '{dashboard}'),
            ('analyst',      'login',             '{analyst}'),
            ('registry',     'login',             '{registry}')
        ) as role (name, attributes, password)
        where not exists (select from pg_roles where rolname = role.name)
    loop
        execute format('create role %I %s password %L', wanted.name, wanted.attributes, wanted.password);
    end loop;
end
$roles$;

-- The owner may see and end the sessions of those who append: one that never ends its transaction holds every reader of
-- the log back. The other way round nothing is granted.
grant app to owner;

-- An appender that does nothing, or one statement for ever, ends by itself: readers wait for it meanwhile.
alter role app set idle_in_transaction_session_timeout = '10s';
alter role app set statement_timeout = '30s';
