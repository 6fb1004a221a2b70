//! Rows of the outbox that are wrong: one that can pass parks its key, one that cannot is named and let by alone.
//!
//! On a stack of its own, whose outbox has lost its checks.

use std::time::Instant;

use events::{DomainEvent, EventId, ExecutionEvent, TenantId};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::Value;
use sqlx::{Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::harness::{Agent, OwnStack, PATIENCE, Role, World, eventually, new_event_id, tenant, unique};

const PROJECTIONS: [&str; 2] = ["executions-postgres", "executions-redis"];
const DEED: [&str; 4] = ["--actor", "a test", "--reason", "forced in by a test"];

/// No event: its first byte is not the wire format's.
const FOREIGN: &[u8] = b"\xff\x00\x00\x00\x01nothing";

/// Largest payload that the outbox takes, and largest request of Connect's producer, one record of which is a bit less.
const PAYLOAD_MAX: usize = 512 * 1024;
const REQUEST_MAX: usize = 1024 * 1024;

/// A row as somebody may force it in.
#[derive(Debug, Clone)]
struct Row {
    id: EventId,
    aggregate_type: Option<&'static str>,
    aggregate_id: Option<Uuid>,
    payload: Option<Vec<u8>>,
}

impl Row {
    /// One that passes, and is no event.
    fn new() -> Self {
        Self {
            id: new_event_id(),
            aggregate_type: Some(ExecutionEvent::AGGREGATE_TYPE),
            aggregate_id: Some(Uuid::now_v7()),
            payload: Some(FOREIGN.to_vec()),
        }
    }

    fn of(bytes: usize) -> Self {
        Self { payload: Some(vec![b'x'; bytes]), ..Self::new() }
    }

    fn key(&self) -> String {
        self.aggregate_id.map(|id| id.to_string()).unwrap_or_default()
    }
}

#[tokio::test]
async fn a_row_that_can_pass_parks_its_key_and_one_that_cannot_is_named_and_let_by_alone() {
    let own = OwnStack::raise("rows").await;
    let (world, tenant) = (&own.world, tenant("rows"));
    let mut superuser = world.superuser().await;
    let mut agent = Agent::started(world, &tenant).await;
    the_outbox_takes_a_payload_up_to_its_limit(world, &mut superuser, &tenant).await;
    superuser.execute(include_str!("wrong_rows.sql")).await.unwrap();
    let (projector, guard) = (Role::projector(world).await, Role::start(world, "connect-guard", &[]));

    what_can_pass_parks_its_key(world, &mut superuser, &tenant).await;
    agent.call(new_event_id()).await;
    let skipped = what_cannot_pass_is_named_and_let_by(world, &guard, &mut superuser, &tenant).await;
    agent.call(new_event_id()).await;
    let skipped =
        [skipped, a_request_is_as_large_as_it_may_be(world, &mut superuser, &tenant).await].concat();
    agent.call(new_event_id()).await;
    world.drained(&tenant).await;

    for projection in PROJECTIONS {
        for key in parked_keys(world, projection).await {
            let reason = ["--all", "--foreign", "--reason", "forced in by a test"];
            world.program.done(&[&["parked", "discard", projection, &key][..], &reason].concat()).await;
        }
    }
    let (ran, report) = world.verify().await;
    assert_eq!((ran.code, &report["verdict"]), (0, &"proved".into()), "{report:#}");
    let listed: Vec<_> =
        report["skipped"].as_array().unwrap().iter().map(|it| it["event_id"].clone()).collect();
    assert_eq!(
        listed,
        skipped.iter().map(|id| Value::from(id.to_string())).collect::<Vec<_>>(),
        "{report:#}"
    );
    assert_eq!(report["skipped"][0]["reason"], "forced in by a test (a test)");
    let mut owner = world.postgres("MILLRACE_EVENTS_OWNER_URL").await;
    let forget = owner.execute("delete from outbox_skip").await.unwrap_err().to_string();
    assert!(forget.contains("what was skipped stays written"), "{forget}");
    guard.stop().await;
    projector.stop().await;
}

/// All in one transaction, in this order.
async fn insert(superuser: &mut PgConnection, tenant: &TenantId, rows: &[Row]) -> Result<(), sqlx::Error> {
    let mut transaction = superuser.begin().await?;
    for Row { id, aggregate_type, aggregate_id, payload } in rows {
        sqlx::query(
            "insert into outbox (id, aggregate_type, aggregate_id, event_type, aggregate_version, tenant_id, occurred_at, \
                 recorded_at, payload) \
             values ($1, $2, $3, 'ToolUsed', 1, $4, now(), now(), $5)",
        )
        .bind(id.0)
        .bind(aggregate_type)
        .bind(aggregate_id)
        .bind(tenant.as_str())
        .bind(payload)
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await
}

/// How often each row is in the topic.
async fn in_topic(world: &World, rows: &[Row]) -> Vec<usize> {
    let records = world.records(ExecutionEvent::TOPIC).await;
    let times = |row: &Row| {
        let id = row.id.to_string();
        records.iter().filter(|record| record.header("ce_id") == Some(id.as_bytes())).count()
    };
    rows.iter().map(times).collect()
}

async fn arrived(world: &World, rows: &[Row]) {
    eventually("the rows are in the topic", PATIENCE, async || {
        in_topic(world, rows).await.iter().all(|times| *times >= 1)
    })
    .await;
}

async fn parked_keys(world: &World, projection: &str) -> Vec<String> {
    let listed = world.program.run(&["parked", "list", projection, "--json", "--limit", "1000"]).await;
    listed.lines().iter().map(|parked| parked["key"].as_str().unwrap().to_owned()).collect()
}

async fn the_outbox_takes_a_payload_up_to_its_limit(
    world: &World,
    superuser: &mut PgConnection,
    tenant: &TenantId,
) {
    let rows = [Row::of(PAYLOAD_MAX - 1), Row::of(PAYLOAD_MAX)];
    insert(superuser, tenant, &rows).await.unwrap();
    let refused = insert(superuser, tenant, &[Row::of(PAYLOAD_MAX + 1)]).await.unwrap_err().to_string();
    assert!(refused.contains("outbox_payload_check"), "{refused}");
    arrived(world, &rows).await;
}

async fn what_can_pass_parks_its_key(world: &World, superuser: &mut PgConnection, tenant: &TenantId) {
    let rows = [
        Row { payload: None, ..Row::new() },
        Row { payload: Some(vec![]), ..Row::new() },
        Row::new(),
        Row::of(1_000_000),
        Row { aggregate_id: None, ..Row::new() },
    ];
    insert(superuser, tenant, &rows).await.unwrap();
    let garbled = unique("garbled");
    send_with_bad_headers(world, &garbled).await;
    let mut wanted: Vec<_> = rows.iter().map(Row::key).collect();
    wanted.push(garbled);
    for projection in PROJECTIONS {
        let mut keys = vec![];
        eventually("every key is parked", PATIENCE, async || {
            keys = parked_keys(world, projection).await;
            wanted.iter().all(|key| keys.contains(key))
        })
        .await;
    }
    assert_eq!(in_topic(world, &rows).await, [1; 5]);
}

/// Headers that no connector writes: bytes that are no text, one twice, one that is enormous.
async fn send_with_bad_headers(world: &World, key: &str) {
    let mut client = world.env().kafka_client("admin");
    let producer: FutureProducer = client.set("partitioner", "murmur2_random").create().unwrap();
    let large = vec![b'x'; 100_000];
    let headers = OwnedHeaders::new()
        .insert(Header { key: "ce_id", value: Some(b"\xff\xfe".as_slice()) })
        .insert(Header { key: "ce_id", value: Some(b"\x00".as_slice()) })
        .insert(Header { key: "aggregateversion", value: Some(&large) })
        .insert(Header { key: "tenant", value: Some(b"\xc3\x28".as_slice()) });
    let record = FutureRecord::to(ExecutionEvent::TOPIC).key(key).payload(FOREIGN).headers(headers);
    producer.send(record, PATIENCE).await.unwrap();
}

/// Rows that stop the connector, in one transaction with rows that pass; answers which were let by.
async fn what_cannot_pass_is_named_and_let_by(
    world: &World,
    guard: &Role,
    superuser: &mut PgConnection,
    tenant: &TenantId,
) -> Vec<EventId> {
    let neighbours = [(); 4].map(|()| Row::new());
    let wrong = [
        Row { aggregate_type: Some("nobody"), ..Row::new() },
        Row::of(10_000_000),
        Row { aggregate_type: None, ..Row::new() },
    ];
    let [first, second, third, last] = neighbours.clone();
    let [a, b, c] = wrong.clone();
    let mut begun = Instant::now();
    insert(superuser, tenant, &[first, a, second, b, third, c, last]).await.unwrap();
    for (n, row) in wrong.iter().enumerate() {
        let stands_at = stands_at(world, row).await["stands_at"].take();
        eprintln!(
            "row {n} is named {:.1} s after it was committed or the one before was let by",
            begun.elapsed().as_secs_f64()
        );
        assert_eq!(stands_at["payload_bytes"], row.payload.as_ref().unwrap().len(), "{stands_at}");
        guard_names(guard, row).await;
        // Neither one that is behind it nor one that does not wait is let by in its stead.
        for other in [neighbours[n + 1].id, neighbours[n].id] {
            let refused = skip(world, other).await;
            assert!(refused.contains(&format!("the connector stands at event {}", row.id)), "{refused}");
        }
        let said = skip(world, row.id).await;
        begun = Instant::now();
        assert!(said.contains(&format!("skipped: event {}", row.id)), "{said}");
        arrived(world, &neighbours[..n + 2]).await;
    }
    assert_eq!(in_topic(world, &wrong).await, [0; 3]);
    assert_eq!(in_topic(world, &neighbours).await, [1; 4], "each once: nothing was sent again");
    eventually("the connector is healthy", PATIENCE, async || {
        world.program.run(&["connect", "status"]).await.code == 0
    })
    .await;
    let refused = skip(world, wrong[0].id).await;
    assert!(refused.contains("no row stands in its way"), "{refused}");
    wrong.map(|row| row.id).to_vec()
}

/// What `millrace connect status` says as soon as the connector stands at this row.
async fn stands_at(world: &World, row: &Row) -> Value {
    let mut found = Value::Null;
    eventually("the row is named", PATIENCE, async || {
        found = world.program.run(&["connect", "status", "--json"]).await.json();
        found["stands_at"]["event_id"] == row.id.to_string()
    })
    .await;
    found
}

async fn guard_names(guard: &Role, row: &Row) {
    eventually("the guard names the row", PATIENCE, async || guard.log().contains(&row.id.to_string())).await;
}

/// Tries to let it by; answers what was said.
async fn skip(world: &World, event: EventId) -> String {
    let event = event.to_string();
    let ran = world.program.run(&[&["connect", "skip", &event][..], &DEED].concat()).await;
    format!("{}{}", ran.stdout, ran.stderr)
}

/// The largest record that Connect's producer sends arrives and parks; one byte more stops the connector.
async fn a_request_is_as_large_as_it_may_be(
    world: &World,
    superuser: &mut PgConnection,
    tenant: &TenantId,
) -> Vec<EventId> {
    // A length of three bytes, like those of the rows below.
    let far = Row::of(REQUEST_MAX - 1);
    insert(superuser, tenant, std::slice::from_ref(&far)).await.unwrap();
    let failure = stands_at(world, &far).await["failure"].take();
    let said = failure.as_str().unwrap().to_owned();
    let words: Vec<_> = said.split(' ').collect();
    let bytes =
        words.iter().position(|word| *word == "bytes").map(|at| words[at - 1].parse::<usize>().unwrap());
    let around = bytes.unwrap_or_else(|| panic!("{said}")) - (REQUEST_MAX - 1);
    skip(world, far.id).await;

    let most = [Row::of(REQUEST_MAX - around - 1), Row::of(REQUEST_MAX - around)];
    insert(superuser, tenant, &most).await.unwrap();
    arrived(world, &most).await;
    for projection in PROJECTIONS {
        eventually("they park", PATIENCE, async || {
            let keys = parked_keys(world, projection).await;
            most.iter().all(|row| keys.contains(&row.key()))
        })
        .await;
    }
    let over = Row::of(REQUEST_MAX - around + 1);
    insert(superuser, tenant, std::slice::from_ref(&over)).await.unwrap();
    stands_at(world, &over).await;
    skip(world, over.id).await;
    vec![far.id, over.id]
}
