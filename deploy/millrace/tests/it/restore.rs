//! The events' database is lost and restored from a backup that is older than the topic; then the slot loses something.
//!
//! On a stack of its own, whose events' database is destroyed.

use std::path::Path;

use events::{DomainEvent, ExecutionEvent};
use local::Databases;
use serde_json::Value;
use sqlx::Executor;
use tempfile::TempDir;

use crate::harness::{Agent, OwnStack, PATIENCE, Role, Runs, World, eventually, new_event_id, tenant};

const DEED: [&str; 4] = ["--actor", "a test", "--reason", "the database was destroyed"];

/// What is found in the topic of executions.
async fn reconcile(world: &World, which: &str, how: &[&str], code: i32) -> Value {
    let ran = world.program.run(&[&["reconcile", which, "--json"], how].concat()).await;
    assert_eq!(ran.code, code, "{ran:?}");
    let topics = ran.lines();
    assert_eq!(topics.len(), 3, "{ran:?}");
    topics.into_iter().find(|found| found["topic"] == ExecutionEvent::TOPIC).unwrap()
}

async fn destroy(world: &World) {
    world.stack.drop_database(world.env(), "millrace_events").unwrap();
    world.stack.create_database(world.env(), "millrace_events", Databases::Events).await.unwrap();
}

async fn number(world: &World, query: &'static str) -> i64 {
    let mut auditor = world.postgres("MILLRACE_EVENTS_AUDITOR_URL").await;
    sqlx::query_scalar(query).fetch_one(&mut auditor).await.unwrap()
}

#[tokio::test]
async fn a_store_that_was_lost_is_whole_again_and_no_projection_sees_anything_twice() {
    let own = OwnStack::raise("restore").await;
    let (world, tenant, folder) = (&own.world, tenant("restore"), TempDir::new().unwrap());
    let projector = Role::projector(world).await;
    world.import(&Runs::sample(10), &tenant).await;
    let mut agent = Agent::started(world, &tenant).await;
    agent.call(new_event_id()).await;
    let backup = folder.path().join("backup");
    world.program.done(&["backup", path(&backup), "--verify"]).await;

    // More of an aggregate that the backup has, and one that it has not.
    let last = agent.call(new_event_id()).await;
    let mut newer = Agent::started(world, &tenant).await;
    newer.call(new_event_id()).await;
    world.drained(&tenant).await;
    let stored = number(world, "select count(*) from event_store").await;

    world.program.done(&["connect", "stop"]).await;
    destroy(world).await;
    world.program.done(&[&["restore", path(&backup)], &DEED[..]].concat()).await;
    assert_eq!(number(world, "select count(*) from event_store").await, stored - 3);

    let found = reconcile(world, "topic-to-store", &["--dry-run"], 10).await;
    assert_eq!((&found["ahead"], &found["brought_back"]), (&3.into(), &0.into()), "{found:#}");
    let ahead = found["aggregates"].as_array().unwrap();
    let versions = |id: &str| {
        let found = ahead.iter().find(|found| found["aggregate_id"] == id).unwrap();
        (found["from_version"].as_u64().unwrap(), found["to_version"].as_u64().unwrap())
    };
    assert_eq!(versions(&agent.id.to_string()), (last, last));
    assert_eq!(versions(&newer.id.to_string()), (1, 2));

    let done = reconcile(world, "topic-to-store", &DEED, 0).await;
    assert_eq!(done["brought_back"], 3, "{done:#}");
    let none = reconcile(world, "topic-to-store", &["--dry-run"], 0).await;
    assert_eq!(none["ahead"], 0, "{none:#}");

    // New appends flow through the new slot, and what was brought back was not published again.
    world.program.done(&["connect", "forget-offsets"]).await;
    world.program.done(&["connect", "resume"]).await;
    let before = world.records(ExecutionEvent::TOPIC).await.len();
    agent.call(new_event_id()).await;
    newer.call(new_event_id()).await;
    world.drained(&tenant).await;
    world.assert_proved().await;
    assert_eq!(world.records(ExecutionEvent::TOPIC).await.len(), before + 2);

    a_slot_loses_events(world, &mut agent).await;
    world.drained(&tenant).await;
    world.assert_proved().await;
    a_fork_is_refused(world, &mut agent).await;
    projector.stop().await;
}

/// The connector is stopped, its slot dropped with what it had not read, and made anew.
async fn a_slot_loses_events(world: &World, agent: &mut Agent) {
    world.program.done(&["connect", "stop"]).await;
    let lost = [agent.call(new_event_id()).await, agent.call(new_event_id()).await];
    let mut superuser = world.postgres("MILLRACE_POSTGRES_SUPERUSER_URL").await;
    // Connect is done with it a moment before Postgres knows.
    let drop = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = 'outbox' and not active";
    eventually("the slot is dropped", PATIENCE, async || {
        superuser.execute(drop).await.unwrap().rows_affected() == 1
    })
    .await;
    world.program.done(&["migrate"]).await;
    world.program.done(&["connect", "forget-offsets"]).await;
    world.program.done(&["connect", "resume"]).await;

    let found = reconcile(world, "store-to-topic", &["--dry-run"], 10).await;
    let versions: Vec<_> =
        found["unpublished"].as_array().unwrap().iter().map(|event| &event["version"]).collect();
    assert_eq!(versions, lost.map(Value::from).iter().collect::<Vec<_>>(), "{found:#}");
    let done = reconcile(world, "store-to-topic", &DEED, 0).await;
    assert_eq!(done["published"], 2, "{done:#}");
    let none = reconcile(world, "store-to-topic", &["--dry-run"], 0).await;
    assert_eq!(none["unpublished"], Value::Array(vec![]), "{none:#}");
}

/// Somebody appended to the restored store before it was reconciled: both sides have a version, each another one.
async fn a_fork_is_refused(world: &World, agent: &mut Agent) {
    let folder = TempDir::new().unwrap();
    let backup = folder.path().join("backup");
    world.program.done(&["backup", path(&backup)]).await;
    let published = agent.call(new_event_id()).await;
    // Delivered is what the comparison waits for.
    let none = reconcile(world, "store-to-topic", &["--dry-run"], 0).await;
    assert_eq!(none["unpublished"], Value::Array(vec![]), "{none:#}");
    world.program.done(&["connect", "stop"]).await;
    destroy(world).await;
    world.program.done(&[&["restore", path(&backup)], &DEED[..]].concat()).await;
    agent.forget_last_call();
    let forked = new_event_id();
    assert_eq!(agent.call(forked).await, published);

    let before = number(world, "select count(*) from event_store").await;
    let found = reconcile(world, "topic-to-store", &DEED, 1).await;
    let fork = &found["contradictions"][0];
    assert_eq!(
        (&fork["aggregate_id"], &fork["version"]),
        (&agent.id.to_string().into(), &published.into()),
        "{found:#}"
    );
    assert!(fork["detail"].as_str().unwrap().contains(&forked.to_string()), "{fork:#}");
    assert_eq!(number(world, "select count(*) from event_store").await, before);
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
