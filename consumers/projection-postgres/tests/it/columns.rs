//! A table and its view have to be of one edition.

use kafka::conformance::Tally;
use kafka::{Classify, Fault};
use projection_postgres::{Error, PostgresViews, Tables};

use crate::sink::{PostgresSink, TABLES};

#[tokio::test]
async fn a_column_or_a_field_too_many_is_named_before_anything_is_read() {
    let sink = PostgresSink::new().await;
    sink.execute("owner", "alter table tally rename column trail to path").await.unwrap();
    let error = PostgresViews::<Tally>::open(&sink.config(), TABLES).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "table tally and its view differ: fields without a column: [\"trail\"]; columns without a field: [\"path\"]"
    );
    assert_eq!(error.fault(), Fault::Fatal);
}

#[tokio::test]
async fn a_table_that_is_not_there_is_named() {
    let sink = PostgresSink::new().await;
    let tables = Tables { view: "tallies", totals: None };
    let error = PostgresViews::<Tally>::open(&sink.config(), tables).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no table tallies; are the migrations applied?");
    let tables = Tables { view: "tally; drop table tally", totals: None };
    assert!(matches!(
        PostgresViews::<Tally>::open(&sink.config(), tables).await.unwrap_err(),
        Error::Name(_)
    ));
}

#[tokio::test]
async fn the_tables_of_the_agents_views_fit_their_fields() {
    let database = testkit::views_database().await;
    let mut owner = <sqlx::PgConnection as sqlx::Connection>::connect(&database.url("owner")).await.unwrap();
    let definition = projection_postgres::Definition::of::<agent_views::ExecutionsPostgres>(
        agent_views::EXECUTIONS_DEFINITION,
    );
    projection_postgres::migrate(&mut owner, &[definition]).await.unwrap();
    let mut config = PostgresSink::new().await.config();
    config.views_url = database.url("views_writer").parse().unwrap();
    let tables =
        Tables { view: agent_views::EXECUTION_TABLE, totals: Some(agent_views::EXECUTION_TOTAL_TABLE) };
    PostgresViews::<agent_views::ExecutionsPostgres>::open(&config, tables).await.unwrap();
}

/// What comes of a definition of this text.
async fn defined(sql: &[&str]) -> Error {
    let database = testkit::views_database().await;
    let mut owner = <sqlx::PgConnection as sqlx::Connection>::connect(&database.url("owner")).await.unwrap();
    let definition = projection_postgres::Definition::of::<Tally>(sql);
    projection_postgres::migrate(&mut owner, &[definition]).await.unwrap_err()
}

#[tokio::test]
async fn a_definition_that_is_wrong_is_named_with_its_line() {
    let error = defined(&[
        "create table ok (like projection_row);",
        "create table tally (\n  like projection_row,\n  steps integr\n);",
    ])
    .await;
    assert_eq!(error.to_string(), "the definition of tally cannot be carried out, line 3: steps integr");
    assert_eq!(error.fault(), Fault::Fatal);
}

#[tokio::test]
async fn what_cannot_be_kept_to_one_tenant_is_not_made() {
    let error = defined(&["create table tally (steps bigint);"]).await;
    assert_eq!(error.to_string(), "tally cannot be shown to readers: it has no column tenant_id");
    let error = defined(&[
        "create table tally (like projection_row including all);",
        "create materialized view sums as select tenant_id, count(*) from tally group by tenant_id;",
    ])
    .await;
    assert_eq!(
        error.to_string(),
        "sums cannot be shown to readers: a materialized view shows everybody's rows to everybody"
    );
}
