//! Who may do what: the database says so, whatever a program tries.

use event_store::{EventStore, Expected};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

use crate::fixture::{Events, aggregate, append, tenant};

/// The error code with which a statement fails.
async fn refusal(connection: &mut PgConnection, statement: &str) -> String {
    let statement = statement.to_owned();
    match connection.execute(sqlx::raw_sql(AssertSqlSafe(statement.clone()))).await {
        Err(sqlx::Error::Database(error)) => error.code().expect("Postgres always says a code").into_owned(),
        other => panic!("{statement} should be refused, but: {other:?}"),
    }
}

async fn count(connection: &mut PgConnection, table: &str) -> i64 {
    let statement = AssertSqlSafe(format!("select count(*) from {table}"));
    sqlx::query_scalar(statement).fetch_one(connection).await.expect("the role may read the table")
}

async fn with_two_tenants() -> Events {
    let events = Events::new().await;
    let store = events.store().await;
    for name in ["acme", "other"] {
        store.append(&tenant(name), &[append(aggregate(), Expected::None, 2)]).await.unwrap();
    }
    events
}

#[tokio::test]
async fn app_appends_through_the_function_and_touches_nothing_else() {
    const DENIED: &str = "42501";
    let events = with_two_tenants().await;
    let mut app = events.connect("app").await;
    app.execute("set millrace.tenant = 'acme'").await.unwrap();
    let forbidden = [
        "alter table event_store no force row level security",
        "drop table event_store",
        "select * from outbox",
        "select outbox_roll(1)",
        "select * from cdc_heartbeat",
        "select settled_position()",
        "select nextval('event_store_position_seq')",
        "select pg_create_logical_replication_slot('spy', 'pgoutput')",
        "create table public.event_store_2 ()",
        "alter publication outbox set (publish = 'insert')",
    ];
    for statement in forbidden {
        assert_eq!(refusal(&mut app, statement).await, DENIED, "{statement}");
    }
    // Not even a partition by its own name.
    let partition: String = sqlx::query_scalar("select inhrelid::regclass::text from pg_inherits limit 1")
        .fetch_one(&mut app)
        .await
        .unwrap();
    assert_eq!(refusal(&mut app, &format!("select * from {partition}")).await, DENIED);
}

/// Whatever role a program has got hold of: without the owner's password there is no way around the function.
#[tokio::test]
async fn no_role_but_the_owner_gets_around_the_outbox() {
    let events = with_two_tenants().await;
    let day = "select inhrelid::regclass::text from pg_inherits order by 1 limit 1";
    let day: String = sqlx::query_scalar(day).fetch_one(&mut events.connect("app").await).await.unwrap();
    let forbidden = [
        "insert into event_store (version) values (1)".to_owned(),
        "copy event_store (version) from stdin".into(),
        "update event_store set version = 9".into(),
        "delete from event_store".into(),
        "truncate event_store".into(),
        "alter table event_store disable trigger event_store_fills_outbox".into(),
        "alter table event_store disable trigger all".into(),
        "drop trigger event_store_fills_outbox on event_store".into(),
        "create trigger mine before insert on event_store for each row execute function suppress_redundant_updates_trigger()".into(),
        "create rule mine as on insert to event_store do instead nothing".into(),
        "alter table event_store disable row level security".into(),
        "create policy mine on event_store using (true)".into(),
        "alter table event_store owner to current_user".into(),
        "create or replace function event_store_fill_outbox() returns trigger language plpgsql as 'begin return null; end'".into(),
        "alter function append_events security invoker".into(),
        "select event_store_fill_outbox()".into(),
        "insert into outbox (aggregate_version) values (1)".into(),
        "update outbox set payload = ''".into(),
        "delete from outbox".into(),
        "truncate outbox".into(),
        format!("truncate {day}"),
        format!("drop table {day}"),
        format!("insert into {day} (aggregate_version) values (1)"),
        format!("alter table outbox detach partition {day}"),
        format!("alter table outbox detach partition {day} concurrently"),
        "create table outbox_mine partition of outbox for values from ('2020-01-01') to ('2020-01-02')".into(),
        "alter publication outbox drop table outbox".into(),
        "drop publication outbox".into(),
        "insert into command (key) values ('k')".into(),
        "delete from command".into(),
        "select command_expire(now(), 1)".into(),
        "set session_replication_role = replica".into(),
        "set role owner".into(),
        "set session authorization owner".into(),
        "alter role current_user bypassrls".into(),
        "grant owner to current_user".into(),
        "alter system set wal_level = replica".into(),
    ];
    for role in ["app", "cdc", "auditor"] {
        let mut connection = events.connect(role).await;
        connection.execute("set millrace.tenant = 'acme'").await.unwrap();
        for statement in &forbidden {
            assert_eq!(refusal(&mut connection, statement).await, "42501", "{role}: {statement}");
        }
    }
    let mut owner = events.connect("owner").await;
    owner.execute("set millrace.tenant = 'acme'").await.unwrap();
    assert_eq!((count(&mut owner, "event_store").await, count(&mut owner, "outbox").await), (2, 2));
}

#[tokio::test]
async fn events_are_never_changed_not_even_by_their_owner() {
    const NEVER_CHANGED: &str = "23001";
    let events = with_two_tenants().await;
    let mut owner = events.connect("owner").await;
    owner.execute("set millrace.tenant = 'acme'").await.unwrap();
    for statement in ["update event_store set version = 9", "delete from event_store", "truncate event_store"]
    {
        assert_eq!(refusal(&mut owner, statement).await, NEVER_CHANGED, "{statement}");
    }
    let update_of_published_rows = "55000";
    assert_eq!(refusal(&mut owner, "update outbox set tenant_id = 'acme'").await, update_of_published_rows);
}

#[tokio::test]
async fn a_tenant_sees_its_own_rows_and_nobody_sees_rows_without_naming_one() {
    let events = with_two_tenants().await;
    for role in ["app", "owner"] {
        let mut connection = events.connect(role).await;
        assert_eq!(count(&mut connection, "event_store").await, 0, "{role} named no tenant");
        for (tenant, rows) in [("acme", 2), ("other", 2), ("third", 0), ("", 0)] {
            sqlx::query("select set_config('millrace.tenant', $1, false)")
                .bind(tenant)
                .execute(&mut connection)
                .await
                .unwrap();
            assert_eq!(count(&mut connection, "event_store").await, rows, "{role} as {tenant:?}");
        }
    }
    assert_eq!(count(&mut events.connect("auditor").await, "event_store").await, 4);
    let mut auditor = events.connect("auditor").await;
    assert_eq!(refusal(&mut auditor, "delete from event_store").await, "42501");
    assert_eq!(
        refusal(
            &mut auditor,
            "select * from append_events('acme', null, null, null, null, null, null, null, null, null, null, null, null)"
        )
        .await,
        "42501"
    );
}

#[tokio::test]
async fn an_append_leaves_the_callers_tenant_as_it_was() {
    let events = Events::new().await;
    let mut app = events.connect("app").await;
    let mut transaction = app.begin().await.unwrap();
    transaction.execute("set local millrace.tenant = 'acme'").await.unwrap();
    let other = append(aggregate(), Expected::None, 1);
    event_store::PgEventStore::append_within(
        &mut transaction,
        &tenant("other"),
        std::slice::from_ref(&other),
    )
    .await
    .unwrap();
    let row =
        sqlx::query("select current_setting('millrace.tenant')").fetch_one(&mut *transaction).await.unwrap();
    assert_eq!(row.get::<String, _>(0), "acme");
    assert_eq!(count(&mut transaction, "event_store").await, 0);
}

#[tokio::test]
async fn every_event_has_its_outbox_row_in_the_same_transaction() {
    let events = with_two_tenants().await;
    let mut owner = events.connect("owner").await;
    owner.execute("set millrace.tenant = 'acme'").await.unwrap();
    let matching: i64 = sqlx::query_scalar(
        "select count(*) from event_store e join outbox o on o.id = e.event_id
         and o.aggregate_id = e.aggregate_id and o.aggregate_version = e.version and o.event_type = e.event_type
         and o.payload = e.payload and o.occurred_at = e.occurred_at and o.recorded_at = e.recorded_at
         and o.correlation_id = 'because' and o.tenant_id = e.tenant_id and o.xmin = e.xmin",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert_eq!(matching, 2);
    assert_eq!(count(&mut owner, "outbox").await, 2);
}

#[tokio::test]
async fn the_payload_for_people_is_stored_beside_the_payload() {
    let events = with_two_tenants().await;
    let mut auditor = events.connect("auditor").await;
    let stored: i64 =
        sqlx::query_scalar(r#"select count(*) from event_store where event_data = '{"answer": 42}'"#)
            .fetch_one(&mut auditor)
            .await
            .unwrap();
    assert_eq!(stored, 4);
}

#[tokio::test]
async fn cdc_may_beat_its_heart_and_sees_no_event() {
    let events = with_two_tenants().await;
    let mut cdc = events.connect("cdc").await;
    let beaten = cdc.execute("update cdc_heartbeat set at = now()").await.unwrap();
    assert_eq!(beaten.rows_affected(), 1);
    assert_eq!(count(&mut cdc, "outbox").await, 0, "row level security holds for reading");
    assert_eq!(refusal(&mut cdc, "select * from event_store").await, "42501");
    assert_eq!(refusal(&mut cdc, "insert into cdc_heartbeat values (1, now())").await, "42501");
    assert_eq!(refusal(&mut cdc, "delete from outbox").await, "42501");
}
