//! Nothing that the store keeps is forgotten by a backup.

use std::collections::BTreeSet;

use event_store::{Append, EventStore, Expected, IdempotencyKey};
use sqlx::{AssertSqlSafe, Executor};
use tempfile::TempDir;

use crate::fixture::{Events, aggregate, event, tenant};

/// What no backup holds: events have a file of their own, the rest is derived, on its way, or the migrations' own.
const LEFT_OUT: [&str; 7] = [
    "event_store",
    "outbox",
    "cdc_heartbeat",
    "snapshot",
    "pruned_aggregate",
    "event_store_migration",
    "outbox_migration",
];

/// A store with rows in every table that a backup holds; a new table gets some here.
async fn with_everything() -> Events {
    let (events, stream) = (Events::new().await, aggregate());
    for name in ["acme", "gone"] {
        let append = Append {
            aggregate_id: if name == "acme" { stream } else { aggregate() },
            aggregate_type: "thing".into(),
            expected: Expected::None,
            events: (0..5).map(|_| event()).collect(),
        };
        let key = IdempotencyKey::new("a-command", b"its body").unwrap();
        events.store.append_keyed(&tenant(name), &[append], Some(&key)).await.unwrap();
    }
    let as_app = [
        "select ensure_subject_key('acme', 'somebody', gen_random_uuid(), '\\xab', 'm1')".to_owned(),
        "select ensure_subject_key('acme', 'forgotten', gen_random_uuid(), '\\xcd', 'm1')".to_owned(),
        "select ensure_subject_key('gone', 'somebody', gen_random_uuid(), '\\xef', 'm1')".to_owned(),
        format!("select set_stream_metadata('acme', '{stream}', 0, '{{\"a\": 1}}', 'a test')"),
        "select import_run_begin('acme', gen_random_uuid(), 'm', 'the mapping', 'a file', 'a test')"
            .to_owned(),
        "select import_run_begin('gone', gen_random_uuid(), 'm', 'the mapping', 'a file', 'a test')"
            .to_owned(),
        "select subscription_checkpoint_move('a follower', 0::smallint, 0, 4)".to_owned(),
    ];
    let as_owner = [
        "select destroy_subject_keys('acme', 'forgotten', 'erase-subject', 'a test', 'because')".to_owned(),
        format!(
            "select prune_events('acme', 'withdrawn', 'a test', 'because', array['{stream}'::uuid], array[2::bigint])"
        ),
        "select begin_tenant_removal('gone', 'a test', 'because')".to_owned(),
        "insert into outbox_skip (event_id, lsn, row_told, actor, reason) \
             values (gen_random_uuid(), '0/16B3748', '{}', 'a test', 'because')"
            .to_owned(),
    ];
    let (mut app, mut owner) = (events.connect("app").await, events.connect("owner").await);
    for statement in as_app {
        app.execute(AssertSqlSafe(statement)).await.unwrap();
    }
    for statement in as_owner {
        owner.execute(AssertSqlSafe(statement)).await.unwrap();
    }
    events
}

#[tokio::test]
async fn every_table_is_in_the_backup_or_left_out_by_name_and_comes_back_as_it_was() {
    let (events, folder) = (with_everything().await, TempDir::new().unwrap());
    let backup = events.backup(&folder.path().join("backup")).await.unwrap();
    let held: BTreeSet<_> = backup.manifest.tables.iter().map(|table| table.name.as_str()).collect();
    let all = events.tables().await;
    let expected: BTreeSet<_> =
        all.iter().map(String::as_str).filter(|name| !LEFT_OUT.contains(name)).collect();
    assert_eq!(held, expected);
    let empty: Vec<_> = backup.manifest.tables.iter().filter(|table| table.rows == 0).collect();
    assert!(empty.is_empty(), "nothing shows whether these come back: {empty:?}");

    let restored = Events::new().await;
    restored.restore(&backup).await.unwrap();
    for table in held.into_iter().chain(["event_store", "pruned_aggregate"]) {
        // The audit says which transaction wrote a row, and knows of one deed more now.
        let (as_json, others) = match table {
            "store_audit" => ("to_jsonb(t) - 'transaction_id'", "where action <> 'restore-backup'"),
            "pruned" => ("to_jsonb(t) - 'transaction_id'", ""),
            _ => ("to_jsonb(t)", ""),
        };
        let rows = format!("(select {as_json} as row from {table} as t {others})");
        assert_eq!(restored.rows(&rows).await, events.rows(&rows).await, "{table}");
    }
}
