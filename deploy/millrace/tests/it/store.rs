//! The store is kept in order by commands, and the chain is proved afterwards.

use std::path::Path;

use events::TenantId;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::harness::{PATIENCE, Role, Runs, World, eventually, tenant, unique};

const DEED: [&str; 4] = ["--actor", "a test", "--reason", "somebody asked for it"];
const NAME: &str = "Ada Lovelace of Saint James's Square";

/// Rows that say something about a person, who is in a column of theirs.
const MAPPING: &str = "
mapping: visits
source:
  kind: json-lines
  columns: { run: text, who: text, at: unix_seconds, name: text, why: text }
key: [run]
subject: who
aggregate: { type: execution, id: { namespace: 3d0ac2c6-6f0c-5a5b-8a5b-0a7c3f1e2d4b, of: [run] } }
commands:
  - type: StartExecution
    with: { occurred_at: at, task: run, repository: run, model: run, agent: run, requested_by: name }
  - { type: CancelExecution, with: { occurred_at: at, reason: why } }
";

/// `millrace store …` about a tenant, its answer as JSON.
async fn store(world: &World, command: &[&str], tenant: &TenantId, code: i32) -> Value {
    let ran =
        world.program.run(&[&["store"], command, &["--tenant", tenant.as_str(), "--json"]].concat()).await;
    assert_eq!(ran.code, code, "{command:?}: {ran:?}");
    ran.json()
}

async fn number(connection: &mut PgConnection, query: &'static str, tenant: &TenantId) -> i64 {
    sqlx::query_scalar(query).bind(tenant.as_str()).fetch_one(connection).await.unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn a_person_who_is_erased_is_unreadable_and_the_chain_is_still_proved() {
    let (world, tenant, folder) = (World::shared(), tenant("forgetful"), tempfile::TempDir::new().unwrap());
    let (mapping, rows) = (folder.path().join("visits.yaml"), folder.path().join("visits.jsonl"));
    std::fs::write(&mapping, MAPPING).unwrap();
    let row = |who: &str| json!({ "run": unique("run"), "who": who, "at": 1_763_511_278, "name": NAME, "why": NAME });
    std::fs::write(&rows, format!("{}\n{}\n", row("user-1815"), row("user-1816"))).unwrap();
    let import = |what| ["import", what, text(&mapping), text(&rows), "--tenant", tenant.as_str()];
    let projector = Role::projector(&world).await;
    world.program.done(&import("run")).await;
    world.drained(&tenant).await;

    let mut auditor = world.postgres("MILLRACE_EVENTS_AUDITOR_URL").await;
    let sealed =
        "select count(*) from event_store where tenant_id = $1 and event_data::text like '%enc:v1:%'";
    assert_eq!(number(&mut auditor, sealed, &tenant).await, 4);
    let plain =
        "select count(*) from event_store where tenant_id = $1 and event_data::text like '%Lovelace%'";
    assert_eq!(number(&mut auditor, plain, &tenant).await, 0);

    let erase = [&["erase-subject", "--subject", "user-1815"], &DEED[..]].concat();
    let planned = store(&world, &[&erase[..], &["--dry-run"]].concat(), &tenant, 0).await;
    let [unreadable] = &planned["unreadable"].as_array().unwrap()[..] else { panic!("{planned:#}") };
    assert_eq!(
        (&unreadable["texts"], &unreadable["fields"]),
        (&json!(2), &json!(["reason", "requested_by"]))
    );
    let id = unreadable["aggregate_id"].as_str().unwrap();
    let shown = async || world.program.done(&["events", "timeline", id, "--tenant", tenant.as_str()]).await;
    assert_eq!(shown().await.matches("Lovelace").count(), 2, "who may read, reads");

    assert_eq!(store(&world, &erase, &tenant, 0).await, planned, "it does what it said");
    let after = shown().await;
    assert_eq!((after.matches("Lovelace").count(), after.matches("[erased]").count()), (0, 2), "{after}");
    let audit = store(&world, &["audit"], &tenant, 0).await;
    assert_eq!((&audit["action"], &audit["actor"]), (&json!("erase-subject"), &json!("a test")));
    // The other person's events, and everybody's counts, are as they were.
    world.program.done(&import("verify")).await;
    projector.stop().await;
    world.assert_proved().await;
    let (nobody, code) = (["erase-subject", "--subject", "nobody"], 4);
    assert_eq!(store(&world, &[&nobody[..], &DEED].concat(), &tenant, code).await["keys"], json!([]));
}

#[tokio::test]
async fn a_tenant_that_is_removed_leaves_views_and_store_and_the_chain_is_still_proved() {
    let (world, tenant, runs) = (World::shared(), tenant("leaving"), Runs::sample(2));
    let (projector, relay) = (Role::projector(&world).await, Role::relay(&world));
    world.import(&runs, &tenant).await;
    world.drained(&tenant).await;

    let remove = |step| [&["remove-tenant", step], &DEED[..]].concat();
    store(&world, &[&remove("purge")[..], &["--dry-run"]].concat(), &tenant, 1).await;
    let refused =
        world.program.run(&[&["store"], &remove("purge")[..], &["--tenant", tenant.as_str()]].concat()).await;
    assert!(refused.code == 1 && refused.stderr.contains("was not withdrawn"), "{refused:?}");
    let planned = store(&world, &[&remove("withdraw")[..], &["--dry-run"]].concat(), &tenant, 0).await;
    assert_eq!((&planned["streams"], &planned["events"]), (&json!(2), &json!(runs.events)));
    let withdrawn = store(&world, &remove("withdraw"), &tenant, 0).await;
    assert_eq!((&withdrawn["streams"], &withdrawn["events"]), (&json!(2), &json!(runs.events + 2)));

    let late = world.program.run(&crate::harness::import(&Runs::sample(3), &tenant)).await;
    assert!(late.code != 0 && format!("{late:?}").contains("was removed"), "{late:?}");
    let mut views = world.postgres("MILLRACE_VIEWS_WRITER_URL").await;
    let live = "select count(*) from execution where tenant_id = $1 and deleted_at is null";
    eventually("the views dropped its rows", PATIENCE, async || number(&mut views, live, &tenant).await == 0)
        .await;
    let standing = async || store(&world, &["remove-tenant", "status"], &tenant, 0).await;
    eventually("the withdrawals are delivered", PATIENCE, async || standing().await["delivered"] == true)
        .await;

    let purged = store(&world, &remove("purge"), &tenant, 0).await;
    assert_eq!((&purged["streams"], &purged["events"]), (&json!(2), &json!(runs.events + 2)));
    assert_eq!(world.appended(&tenant).await, 0);
    assert!(standing().await["purged_at"].is_string());
    projector.stop().await;
    relay.stop().await;
    world.assert_proved().await;

    let check = world.program.run(&["store", "check", "--json"]).await;
    assert_eq!((check.code, check.json()), (0, json!({ "violations": [] })), "{check:?}");
}
