//! The testkit against a stack that is up.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
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

    let mut superuser = testkit::superuser().await;
    let (name, url) = (database.name().to_owned(), database.url("cdc"));
    let mut reader = PgConnection::connect(&url).await.unwrap();
    sqlx::query("select pg_create_logical_replication_slot($1, 'pgoutput')")
        .bind(&name)
        .execute(&mut reader)
        .await
        .unwrap();
    drop(database);
    goes(&name, &mut superuser).await;
}

async fn goes(name: &str, superuser: &mut PgConnection) {
    testkit::eventually("the database is gone", Duration::from_secs(30), async || {
        let left = sqlx::query_scalar("select count(*) from pg_database where datname = $1").bind(name);
        left.fetch_one(&mut *superuser).await.is_ok_and(|left: i64| left == 0)
    })
    .await;
}

#[tokio::test]
async fn a_database_goes_while_its_test_is_about_to_log_in() {
    let database = testkit::views_database().await;
    let facts = testkit::stack();
    let name = database.name().to_owned();
    let mut superuser = testkit::superuser().await;
    let port: u16 = facts.get("MILLRACE_POSTGRES_PORT").parse().unwrap();
    let mut half = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let asked =
        [&196_608_u32.to_be_bytes()[..], b"user\0owner\0database\0", name.as_bytes(), b"\0\0"].concat();
    let length = u32::try_from(asked.len() + 4).unwrap().to_be_bytes();
    half.write_all(&[&length[..], &asked].concat()).unwrap();
    let mut answer = [0; 256];
    let length = half.read(&mut answer).unwrap();
    assert!(answer[..length].starts_with(b"R"), "the server asks for a password: {:?}", &answer[..length]);

    drop(database);
    half.set_nonblocking(true).unwrap();
    let pending = half.read(&mut answer).unwrap_err();
    assert_eq!(
        pending.kind(),
        ErrorKind::WouldBlock,
        "the server gave the login up before the handle was gone"
    );
    drop(half);
    goes(&name, &mut superuser).await;
}

#[tokio::test]
async fn the_replication_role_reaches_neither_views_nor_registry() {
    let facts = testkit::stack();
    for database in ["millrace_views", "registry", "postgres"] {
        let url = facts.stack().postgres_url(facts.env(), local::Component::Postgres, "cdc", database);
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
