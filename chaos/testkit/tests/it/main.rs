//! The testkit against a stack that is up.

use std::time::Duration;

use sqlx::{Connection, PgConnection};

#[tokio::test]
async fn a_test_database_admits_the_roles_of_production_and_goes_with_its_handle() {
    let database = testkit::events_database().await;
    for role in ["owner", "app", "cdc", "auditor"] {
        let connection = PgConnection::connect(&database.url(role)).await;
        assert!(connection.is_ok(), "{role}: {connection:?}");
    }
    for stranger in ["views_writer", "dashboard", "registry"] {
        assert!(PgConnection::connect(&database.url(stranger)).await.is_err(), "{stranger} may connect");
    }

    let mut superuser =
        PgConnection::connect(testkit::stack().get("MILLRACE_POSTGRES_SUPERUSER_URL")).await.unwrap();
    let (name, url) = (database.name().to_owned(), database.url("cdc"));
    let mut reader = PgConnection::connect(&url).await.unwrap();
    sqlx::query("select pg_create_logical_replication_slot($1, 'pgoutput')")
        .bind(&name)
        .execute(&mut reader)
        .await
        .unwrap();
    drop(database);
    let left: i64 = sqlx::query_scalar("select count(*) from pg_database where datname = $1")
        .bind(&name)
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn the_replication_role_reaches_neither_views_nor_registry() {
    let facts = testkit::stack();
    for database in ["millrace_views", "registry", "postgres"] {
        let url = facts.stack().postgres_url(facts.env(), "cdc", database);
        assert!(PgConnection::connect(&url).await.is_err(), "cdc reaches {database}");
    }
}

#[tokio::test]
async fn a_topic_is_there_when_its_name_is_answered() {
    use rdkafka::consumer::{BaseConsumer, Consumer};
    let topic = testkit::topic("testkit", 3).await;
    let client: BaseConsumer = testkit::stack().kafka("admin").create().unwrap();
    testkit::eventually("the topic has three partitions", Duration::from_secs(20), async || {
        let metadata = client.fetch_metadata(Some(&topic), Duration::from_secs(5)).unwrap();
        metadata.topics()[0].partitions().len() == 3
    })
    .await;
}

#[tokio::test]
#[should_panic(expected = "not within 30ms: pigs fly")]
async fn a_condition_that_never_holds_is_named() {
    testkit::eventually("pigs fly", Duration::from_millis(30), async || false).await;
}
