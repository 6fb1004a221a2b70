//! What a person said is in no table of the database: not before it is erased, and not after.

use std::sync::Arc;

use agents::{CancelExecution, Execution, ExecutionCommand, StartExecution};
use event_store::{Codec, Context, ERASED, PgEventStore, Repository, Until};
use events::{EventId, ExecutionId, Metadata, Timestamp};
use personal_data::MasterKeys;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::fixture::{World, deed, subject, tenant};

/// In two personal fields, and so in payloads, in what is for people, in the outbox and in a state.
const PERSONAL: &str = "Ada Lovelace of Saint James's Square";
/// In a field that is about nobody.
const PLAIN: &str = "weaving algebraic patterns";

/// The tables with rows in which a text is found: as text, as bytes, or in a snapshot once it is unpacked.
async fn found(world: &World, text: &str) -> Vec<String> {
    let mut owner = world.connect("owner", "acme").await;
    let tables: Vec<String> = sqlx::query_scalar(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
            and not relispartition order by 1",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    assert!(tables.len() > 10, "{tables:?}");
    let (like, hex) =
        (text.replace('\'', "''"), text.bytes().map(|b| format!("{b:02x}")).collect::<String>());
    let mut found = vec![];
    for table in tables {
        let rows = format!(
            "select count(*) from {table} as t where t::text like '%{like}%' or t::text like '%{hex}%'"
        );
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(rows)).fetch_one(&mut owner).await.unwrap();
        if rows > 0 {
            found.push(table);
        }
    }
    let states: Vec<Vec<u8>> =
        sqlx::query_scalar("select state from snapshot").fetch_all(&mut owner).await.unwrap();
    for state in states {
        let json = String::from_utf8(zstd::decode_all(&*state).unwrap()).unwrap();
        if json.contains(text) {
            found.push("snapshot, unpacked".to_owned());
        }
    }
    found
}

fn commands(execution_id: ExecutionId) -> [ExecutionCommand; 2] {
    let start = StartExecution {
        execution_id,
        occurred_at: Timestamp::from_micros(1),
        workflow_id: None,
        task: PLAIN.into(),
        repository: "repository".into(),
        model: "model".into(),
        agent: "agent".into(),
        prompt_id: None,
        prompt_version: None,
        step_limit: None,
        cost_limit: None,
        requested_by: Some(PERSONAL.into()),
    };
    let reason = format!("{PERSONAL} is tired of it");
    let occurred_at = Timestamp::from_micros(2);
    [start.into(), CancelExecution { execution_id, occurred_at, reason, cancelled_by: None }.into()]
}

#[tokio::test]
async fn no_table_has_what_a_person_said_before_an_erasure_or_after_it() {
    let world = World::new().await;
    let keyring = Arc::new(world.keyring(MasterKeys::random("one")));
    let repository = || {
        let codec = Codec::with_ids(1).unwrap().with_keyring(keyring.clone());
        Repository::<Execution, PgEventStore>::new(world.store.clone(), codec)
    };
    let (acme, id, new_id) = (tenant("acme"), ExecutionId(Uuid::now_v7()), || EventId(Uuid::now_v7()));
    let context =
        Context { subject: Some(subject("user-1815")), ..Context::new(Metadata::default(), &new_id) };
    for command in commands(id) {
        repository().execute(&acme, id.into(), command, &context).await.unwrap();
        repository().take_snapshot(&acme, id.into(), 5).await.unwrap().expect("it is kept");
    }
    let state = async || format!("{:?}", repository().state(&acme, id.into(), Until::Now).await.unwrap());
    assert_eq!(state().await.matches(PERSONAL).count(), 2);

    assert_eq!(found(&world, PERSONAL).await, [""; 0]);
    // The search can find: what is about nobody is where it was put.
    let plain = ["event_store", "outbox", "snapshot, unpacked", "snapshot, unpacked"];
    assert_eq!(found(&world, PLAIN).await, plain);

    let erasure = world.steward.erase_subject(&acme, &subject("user-1815"), &deed()).await.unwrap();
    assert_eq!((erasure.snapshots, erasure.unreadable[0].texts), (2, 2));
    assert_eq!(found(&world, PLAIN).await, ["event_store", "outbox"], "the snapshots are gone");
    assert_eq!(state().await.matches(ERASED).count(), 2);
    repository().take_snapshot(&acme, id.into(), 5).await.unwrap().expect("it is kept");
    assert_eq!(found(&world, PERSONAL).await, [""; 0]);
    assert_eq!(state().await.matches(ERASED).count(), 2);
}
