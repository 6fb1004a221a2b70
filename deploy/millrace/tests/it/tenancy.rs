//! What the catalog of both databases says about tenants: asked of every table and function there is, also those to come.

use sqlx::{Connection, Executor, PgConnection, PgPool};
use testkit::Database;

async fn events() -> (Database, PgConnection) {
    let database = testkit::events_database().await;
    let pool = PgPool::connect(&database.url("owner")).await.unwrap();
    event_store::migrate(&pool).await.unwrap();
    let owner = PgConnection::connect(&database.url("owner")).await.unwrap();
    (database, owner)
}

async fn gaps(owner: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar(include_str!("tenancy_gap_list.sql")).fetch_all(owner).await.unwrap()
}

#[tokio::test]
async fn every_tenants_table_of_the_events_is_guarded_and_no_function_is_everybodys() {
    let (_database, mut owner) = events().await;
    assert_eq!(gaps(&mut owner).await, [] as [&str; 0]);
}

#[tokio::test]
async fn every_tenants_table_of_the_views_is_guarded_and_no_function_is_everybodys() {
    let database = testkit::views_database().await;
    let mut owner = PgConnection::connect(&database.url("owner")).await.unwrap();
    let definition = projection_postgres::Definition::of::<agent_views::ExecutionsPostgres>(
        agent_views::EXECUTIONS_DEFINITION,
    );
    projection_postgres::migrate(&mut owner, &[definition]).await.unwrap();
    assert_eq!(gaps(&mut owner).await, [] as [&str; 0]);
}

#[tokio::test]
async fn a_table_or_function_that_somebody_forgot_to_guard_is_found() {
    let (_database, mut owner) = events().await;
    owner
        .execute(sqlx::raw_sql(
            "create table forgotten (tenant_id text);
             create table half (tenant_id text);
             alter table half enable row level security;
             create policy everybody on half using (true);
             create function anybodys() returns integer language sql as 'select 1';
             create function borrowed() returns integer language sql security definer as 'select 1';
             revoke all on function borrowed from public;
             grant insert on forgotten to app;",
        ))
        .await
        .unwrap();
    assert_eq!(
        gaps(&mut owner).await,
        [
            "a policy of half is for everybody",
            "function anybodys() may be called by everybody",
            "function borrowed() runs as its owner on the caller's search path",
            "role app may INSERT forgotten",
            "table forgotten holds tenants' rows and has no forced row-level security",
            "table forgotten holds tenants' rows and has no policy",
            "table half holds tenants' rows and has no forced row-level security",
        ]
    );
}
