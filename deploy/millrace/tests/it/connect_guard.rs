//! The connector is changed by hand, fails and loses its slot; each is told, and what can be mended without a person is.
//!
//! On a stack of its own: a connector that is stopped here is stopped for everybody.

use std::path::{Path, PathBuf};
use std::time::Instant;

use reqwest::Method;
use serde_json::Value;
use sqlx::Executor;
use tempfile::TempDir;

use crate::harness::{Agent, OwnStack, PATIENCE, Role, World, eventually, new_event_id, tenant};

const DEED: [&str; 4] = ["--actor", "a test", "--reason", "the slot was dropped"];

/// Looks often and counts often, so that the test is not long.
const IMPATIENT: [(&str, &str); 2] =
    [("MILLRACE_GUARD_RESTART_DELAY_MS", "500"), ("MILLRACE_GUARD_COUNT_S", "2")];

#[tokio::test]
async fn a_connector_that_is_changed_fails_or_loses_its_slot_is_told_and_does_not_go_on_behind_a_gap() {
    let own = OwnStack::raise("guard").await;
    let (world, tenant) = (&own.world, tenant("guard"));
    let mut agent = Agent::started(world, &tenant).await;
    eventually("the connector is healthy", PATIENCE, async || {
        world.program.run(&["connect", "status"]).await.code == 0
    })
    .await;

    a_change_by_hand_is_drift_and_is_put_back(world).await;
    a_publication_that_loses_events_is_named_and_nothing_is_applied(world).await;
    a_file_that_loses_events_is_refused_and_a_misspelt_setting_named(world).await;

    let mut guard = Role::start(world, "connect-guard", &IMPATIENT);
    guard.says("running", 1.0).await;
    a_failed_task_is_restarted(world, &guard).await;
    a_lost_slot_stops_the_connector(world, &guard, &mut agent).await;
    the_runbook_makes_it_whole(world, &guard).await;
    assert_eq!(world.in_topic(&tenant).await, world.appended(&tenant).await);
    guard.assert_alive();
    guard.stop().await;

    let repairing =
        Role::start(world, "connect-guard", &[&IMPATIENT[..], &[("MILLRACE_GUARD_REPAIR", "true")]].concat());
    repairing.says("running", 1.0).await;
    a_guard_that_may_repair_makes_it_whole_by_itself(world, &repairing, &mut agent).await;
    assert_eq!(world.in_topic(&tenant).await, world.appended(&tenant).await);
    repairing.stop().await;
}

async fn a_change_by_hand_is_drift_and_is_put_back(world: &World) {
    let mut config: Value = world.rest(Method::GET, "config").send().await.unwrap().json().await.unwrap();
    config["max.batch.size"] = "17".into();
    world.rest(Method::PUT, "config").json(&config).send().await.unwrap().error_for_status().unwrap();

    let plan = world.program.run(&["connect", "plan", "--json"]).await;
    assert_eq!(plan.code, 10, "{plan:?}");
    let change = &plan.json()["plan"]["changes"][0];
    assert_eq!((&change["setting"], &change["live"]), (&"max.batch.size".into(), &"17".into()), "{plan:?}");
    let status = world.program.run(&["connect", "status", "--json"]).await;
    assert_eq!((status.code, &status.json()["drift"]), (1, &1.into()), "{status:?}");

    world.program.done(&["connect", "apply"]).await;
    assert_eq!(world.connector().await["drift"], 0);
    world.program.done(&["connect", "plan"]).await;
}

async fn a_publication_that_loses_events_is_named_and_nothing_is_applied(world: &World) {
    let mut superuser = world.superuser().await;
    superuser.execute("alter publication outbox set (publish_via_partition_root = false)").await.unwrap();
    let refused = "publication outbox: publish_via_partition_root";
    let plan = world.program.run(&["connect", "plan", "--json"]).await;
    assert_eq!((plan.code, &plan.json()["findings"][0]["setting"]), (1, &refused.into()), "{plan:?}");
    let apply = world.program.run(&["connect", "apply"]).await;
    assert!(apply.code == 1 && apply.stderr.contains(refused), "{apply:?}");
    let status = world.program.run(&["connect", "status"]).await;
    assert!(status.code == 1 && status.stdout.contains(refused), "{status:?}");
    superuser.execute("alter publication outbox set (publish_via_partition_root = true)").await.unwrap();
    world.program.done(&["connect", "plan"]).await;
}

async fn a_file_that_loses_events_is_refused_and_a_misspelt_setting_named(world: &World) {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, from: &str, to: &str| -> PathBuf {
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../connectors/debezium/outbox.json");
        let text = std::fs::read_to_string(committed).unwrap();
        assert!(text.contains(from));
        let file = folder.path().join(name).join("outbox.json");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text.replace(from, to)).unwrap();
        file
    };
    let path = |file: &PathBuf| file.to_str().unwrap().to_owned();

    let tolerant = path(&file("tolerant", r#""errors.tolerance": "none""#, r#""errors.tolerance": "all""#));
    for command in ["lint", "plan", "apply"] {
        let ran = world.program.run(&["connect", command, &tolerant]).await;
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(ran.code == 1 && said.contains("errors.tolerance = all"), "{command}: {ran:?}");
    }
    let misspelt =
        path(&file("misspelt", r#""status.update.interval.ms""#, r#""status.update.intervall.ms""#));
    world.program.done(&["connect", "lint", &misspelt]).await;
    for command in ["plan", "apply"] {
        let ran = world.program.run(&["connect", command, &misspelt]).await;
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(ran.code == 1 && said.contains("instead: status.update.interval.ms"), "{command}: {ran:?}");
    }
    assert_eq!(world.connector().await["drift"], 0, "nothing was applied");
}

/// The role may not log in, so a task that starts fails; when it may again, nobody has to do anything.
async fn a_failed_task_is_restarted(world: &World, guard: &Role) {
    let mut superuser = world.superuser().await;
    superuser.execute("alter role cdc nologin").await.unwrap();
    world.rest(Method::POST, "tasks/0/restart").send().await.unwrap().error_for_status().unwrap();
    guard.says("task_failed", 1.0).await;
    eventually("the guard restarts it", PATIENCE, async || {
        guard.metric("millrace_connect_guard_restarts_total").await.is_some_and(|restarts| restarts >= 1.0)
    })
    .await;
    superuser.execute("alter role cdc login").await.unwrap();
    guard.says("running", 1.0).await;
    guard.says("task_failed", 0.0).await;
    guard.says("slot_active", 1.0).await;
    assert!(guard.log().contains("task_failed"), "{}", guard.log());
    assert_eq!(guard.metric("millrace_connect_guard_slot_lost").await, Some(0.0));
}

async fn stopped_by_the_guard(world: &World, guard: &Role, times: usize) {
    eventually("the guard stops the connector", PATIENCE, async || {
        guard.log().matches("the connector is stopped").count() >= times
            && world.connector().await["state"] == "connector stopped, no task"
    })
    .await;
}

async fn a_lost_slot_stops_the_connector(world: &World, guard: &Role, agent: &mut Agent) {
    let begun = Instant::now();
    world.drop_slot().await;
    guard.says("slot_lost", 1.0).await;
    stopped_by_the_guard(world, guard, 1).await;
    eprintln!("stopped {:.1} s after the slot was dropped", begun.elapsed().as_secs_f64());
    let ready = guard.get("/readyz").await.unwrap();
    assert!(ready.contains("503") && ready.contains("deploy/runbooks/connect.md"), "{ready}");
    assert!(guard.log().contains("millrace reconcile store-to-topic --dry-run"), "{}", guard.log());

    // Debezium may have made a slot before it was stopped. Now nobody makes one.
    let mut superuser = world.superuser().await;
    let drop =
        "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = 'outbox'";
    eventually("there is no slot", PATIENCE, async || superuser.execute(drop).await.is_ok()).await;
    for _ in 0..2 {
        agent.call(new_event_id()).await;
    }
    guard.says("events_missing", 2.0).await;

    // Resumed without a word about the gap, it is stopped again.
    let times = guard.log().matches("the connector is stopped").count();
    world.program.done(&["connect", "resume"]).await;
    stopped_by_the_guard(world, guard, times + 1).await;
    assert_eq!(guard.metric("millrace_connect_guard_slot_lost").await, Some(1.0));
}

async fn the_runbook_makes_it_whole(world: &World, guard: &Role) {
    world.program.done(&["migrate"]).await;
    world.program.done(&["connect", "forget-offsets"]).await;
    world.program.done(&["connect", "resume"]).await;
    let done = [&["reconcile", "store-to-topic"], &DEED[..]].concat();
    world.program.done(&done).await;
    guard.says("slot_lost", 0.0).await;
    guard.says("events_missing", 0.0).await;
    let ready = guard.get("/readyz").await.unwrap();
    assert!(ready.contains("200 OK"), "{ready}");
}

async fn a_guard_that_may_repair_makes_it_whole_by_itself(world: &World, guard: &Role, agent: &mut Agent) {
    world.program.done(&["connect", "stop"]).await;
    for _ in 0..3 {
        agent.call(new_event_id()).await;
    }
    let begun = Instant::now();
    world.drop_slot().await;
    guard.says("slot_lost", 1.0).await;
    guard.says("slot_lost", 0.0).await;
    guard.says("running", 1.0).await;
    eprintln!("whole {:.1} s after the slot was dropped", begun.elapsed().as_secs_f64());
    assert!(guard.log().contains("events are published again"), "{}", guard.log());
}
