//! What a record on the topic looks like, and what it takes to lose one.

use chrono::{DateTime, Utc};
use connect::Error;
use outbox::{Outbox, Retention};
use rdkafka::Message;
use rdkafka::message::{Headers, OwnedMessage};
use sqlx::{AssertSqlSafe, Executor, PgConnection, PgPool};
use uuid::Uuid;

use crate::chain::{Chain, connect, records, records_until};

struct Row {
    id: Uuid,
    aggregate_id: Uuid,
    version: i64,
    origin: [Option<&'static str>; 3],
    occurred_at: &'static str,
    recorded_at: String,
    payload: Vec<u8>,
}

async fn insert(owner: &mut PgConnection, aggregate_type: &str, row: &Row) {
    let [correlation_id, causation_id, traceparent] = row.origin;
    sqlx::query(
        "insert into outbox values ($1, $2, $3, 'ThingHappened', $4, 'acme', $5, $6, $7, $8, $9, $10)",
    )
    .bind(row.id)
    .bind(aggregate_type)
    .bind(row.aggregate_id)
    .bind(row.version)
    .bind(correlation_id)
    .bind(causation_id)
    .bind(traceparent)
    .bind(row.occurred_at.parse::<DateTime<Utc>>().unwrap())
    .bind(row.recorded_at.parse::<DateTime<Utc>>().unwrap())
    .bind(&row.payload)
    .execute(owner)
    .await
    .unwrap();
}

fn row(version: i64) -> Row {
    Row {
        id: Uuid::now_v7(),
        aggregate_id: Uuid::now_v7(),
        version,
        origin: [None; 3],
        occurred_at: "2025-11-19T00:14:38Z",
        recorded_at: format!("{:?}", Utc::now()),
        payload: vec![0, 0, 0, 0, 7, 0, 255, 128, 10],
    }
}

/// Every header, sorted by name; `None`: there, but empty.
fn headers(record: &OwnedMessage) -> Vec<(String, Option<String>)> {
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).expect("headers are text");
    let mut headers: Vec<_> = record
        .headers()
        .unwrap()
        .iter()
        .map(|header| (header.key.to_owned(), header.value.map(text)))
        .collect();
    headers.sort();
    headers
}

fn expected(row: &Row, recorded_at: &str, occurred_at: &str) -> Vec<(String, Option<String>)> {
    let [correlation_id, causation_id, traceparent] = row.origin.map(|value| value.map(str::to_owned));
    let some = |text: &str| Some(text.to_owned());
    [
        ("aggregateversion", some(&row.version.to_string())),
        ("causationid", causation_id),
        ("ce_id", some(&row.id.to_string())),
        ("ce_source", some("/millrace/agents")),
        ("ce_specversion", some("1.0")),
        ("ce_subject", some(&row.aggregate_id.to_string())),
        ("ce_time", some(occurred_at)),
        ("ce_type", some("ThingHappened")),
        ("correlationid", correlation_id),
        ("recordedtime", some(recorded_at)),
        ("tenant", some("acme")),
        ("traceparent", traceparent),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_carries_every_header_and_its_bytes_untouched() {
    let chain = Chain::new().await;
    chain.apply().await.unwrap();
    let mut owner = connect(&chain.database, "owner").await;
    // Whatever the session's time zone, moments are told in UTC.
    owner.execute("set millrace.tenant = 'acme'; set timezone = 'Asia/Kolkata'").await.unwrap();
    let today = Utc::now().date_naive();
    let full = Row {
        origin: [
            Some("request 1"),
            Some("command 2"),
            Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ],
        occurred_at: "2025-11-19T00:14:38.124788Z",
        recorded_at: format!("{today}T03:46:19.120000Z"),
        ..row(1)
    };
    let bare = Row {
        aggregate_id: full.aggregate_id,
        recorded_at: format!("{today}T03:46:20Z"),
        ..row(12_345_678_901)
    };
    for row in [&full, &bare] {
        insert(&mut owner, &chain.aggregate_type, row).await;
    }

    let found = records(&chain.topic(), 2, 2).await;
    for (record, row) in found.iter().zip([&full, &bare]) {
        assert_eq!(record.key(), Some(row.aggregate_id.to_string().as_bytes()));
        assert_eq!(record.payload(), Some(row.payload.as_slice()));
    }
    let (recorded_at, occurred_at) = (format!("{today}T03:46:19.120000Z"), "2025-11-19T00:14:38.124788Z");
    assert_eq!(headers(&found[0]), expected(&full, &recorded_at, occurred_at));
    let (recorded_at, occurred_at) = (format!("{today}T03:46:20.000000Z"), "2025-11-19T00:14:38.000000Z");
    assert_eq!(headers(&found[1]), expected(&bare, &recorded_at, occurred_at));

    // A heartbeat is a sign of life and no event.
    let beat = &records(&chain.heartbeats, 1, 1).await[0];
    assert!(beat.headers().is_none_or(|headers| headers.iter().all(|header| !header.key.starts_with("ce_"))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_that_forgot_its_place_goes_on_where_its_slot_begins_and_only_a_stopped_one_forgets() {
    let chain = Chain::new().await;
    chain.apply().await.unwrap();
    let mut owner = connect(&chain.database, "owner").await;
    owner.execute("set millrace.tenant = 'acme'").await.unwrap();
    insert(&mut owner, &chain.aggregate_type, &row(1)).await;
    records(&chain.topic(), 2, 1).await;
    let name = &chain.connector.name;
    let refused = chain.client.forget_offsets(name).await.unwrap_err();
    assert!(matches!(refused, Error::Refused { status: 400, .. }), "{refused}");

    chain.client.stop(name).await.unwrap();
    let meanwhile = row(2);
    insert(&mut owner, &chain.aggregate_type, &meanwhile).await;
    chain.client.forget_offsets(name).await.unwrap();
    chain.apply().await.unwrap();
    let key = meanwhile.aggregate_id.to_string();
    records_until(&chain.topic(), 2, |record| record.key() == Some(key.as_bytes())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_that_is_dropped_before_it_was_read_still_arrives() {
    let chain = Chain::new().await;
    chain.apply().await.unwrap();
    chain.client.stop(&chain.connector.name).await.unwrap();

    let mut owner = connect(&chain.database, "owner").await;
    owner.execute("set millrace.tenant = 'acme'").await.unwrap();
    let day = "create table outbox_20200101 partition of outbox for values from ('2020-01-01T00:00Z') to ('2020-01-02T00:00Z')";
    owner.execute(sqlx::raw_sql(AssertSqlSafe(day.to_owned()))).await.unwrap();
    let rows: Vec<Row> =
        (1..=50).map(|version| Row { recorded_at: "2020-01-01T12:00:00Z".into(), ..row(version) }).collect();
    for row in &rows {
        insert(&mut owner, &chain.aggregate_type, row).await;
    }
    let pool = PgPool::connect(&chain.database.url("owner")).await.unwrap();
    let rolled = Outbox::new(pool).roll(Retention::default()).await.unwrap();
    assert_eq!(rolled.dropped, ["outbox_20200101"]);

    chain.apply().await.unwrap();
    let mut arrived: Vec<String> = records(&chain.topic(), 2, 50)
        .await
        .iter()
        .map(|record| headers(record).into_iter().find(|(name, _)| name == "ce_id").unwrap().1.unwrap())
        .collect();
    arrived.sort();
    let mut wanted: Vec<String> = rows.iter().map(|row| row.id.to_string()).collect();
    wanted.sort();
    assert_eq!(arrived, wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_severed_connection_is_taken_up_again_by_itself() {
    let chain = Chain::new().await;
    chain.apply().await.unwrap();
    let mut owner = connect(&chain.database, "owner").await;
    owner.execute("set millrace.tenant = 'acme'").await.unwrap();
    insert(&mut owner, &chain.aggregate_type, &row(1)).await;
    records(&chain.topic(), 2, 1).await;

    // A role may end its own sessions: the one that streams the log, and the heartbeat's.
    let severed: i64 = sqlx::query_scalar(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity
         where datname = current_database() and usename = 'cdc' and pid <> pg_backend_pid()",
    )
    .fetch_one(&mut connect(&chain.database, "cdc").await)
    .await
    .unwrap();
    assert!(severed >= 1);
    let after = row(2);
    insert(&mut owner, &chain.aggregate_type, &after).await;
    let wanted = after.id.to_string();
    let is_it = |record: &OwnedMessage| {
        headers(record).into_iter().any(|(name, value)| name == "ce_id" && value.as_deref() == Some(&wanted))
    };
    records_until(&chain.topic(), 2, is_it).await;
}
