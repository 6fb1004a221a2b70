//! Backups, and what a restore makes of them.

use archive::Error;
use sqlx::{Connection, Executor};
use tempfile::TempDir;

use crate::fixture::{Events, aggregate};

/// Events of two tenants, some of them in streams that both append to in turn.
async fn stored() -> Events {
    let events = Events::new().await;
    let (one, two, other) = (aggregate(), aggregate(), aggregate());
    for _ in 0..3 {
        events.append("acme", one, 2).await;
        events.append("other", other, 3).await;
        events.append("acme", two, 1).await;
    }
    events
}

#[tokio::test]
async fn a_restored_store_has_the_same_events_at_the_same_places_and_goes_on_behind_them() {
    let (events, folder) = (stored().await, TempDir::new().unwrap());
    let backup = events.backup(&folder.path().join("backup")).await.unwrap();
    assert_eq!(backup.manifest.events, 18);
    assert_eq!(backup.manifest.schemas.len(), 1);
    backup.verify(|_| {}).unwrap();

    let restored = Events::new().await;
    restored.restore(&backup).await.unwrap();
    assert_eq!(restored.rows("event_store").await, events.rows("event_store").await);
    assert_eq!(restored.number("select count(*) from outbox").await, 0, "they were published once");

    let last = restored.number("select max(position) from event_store").await;
    restored.append("acme", aggregate(), 1).await;
    assert_eq!(restored.number("select count(*) from outbox").await, 1, "a new event is published");
    assert!(restored.number("select max(position) from event_store").await > last);
    let audited = "select sum(events)::bigint from store_audit where action = 'restore-backup'";
    assert_eq!(restored.number(audited).await, 18);
}

#[tokio::test]
async fn what_was_pruned_and_audited_is_restored_with_its_numbers_and_times() {
    let (events, folder) = (Events::new().await, TempDir::new().unwrap());
    let stream = aggregate();
    events.append("acme", stream, 3).await;
    let prune = "select prune_events('acme', 'withdrawn', 'a test', 'because', array[$1], array[2::bigint])";
    let mut owner = events.connect("owner").await;
    owner.execute(sqlx::query(prune).bind(stream.0)).await.unwrap();
    let backup = events.backup(&folder.path().join("backup")).await.unwrap();

    let restored = Events::new().await;
    restored.restore(&backup).await.unwrap();
    let columns = "(select audit_id, action, at, events, digest, details from store_audit where action <> 'restore-backup')";
    assert_eq!(restored.rows(columns).await, events.rows(columns).await);
    let columns = "(select aggregate_id, from_version, to_version, events, digest, audit_id from pruned)";
    assert_eq!(restored.rows(columns).await, events.rows(columns).await);
    assert_eq!(restored.rows(columns).await.len(), 1);
}

#[tokio::test]
async fn a_backup_is_one_moment_while_appends_go_on() {
    let (events, folder) = (stored().await, TempDir::new().unwrap());
    let mut auditor = events.connect("auditor").await;
    let mut appended_meanwhile = false;
    let stream = aggregate();
    let path = folder.path().join("backup");
    let backup = {
        let registry = crate::fixture::registry();
        let (sender, receiver) = std::sync::mpsc::channel();
        let backup = archive::backup(&mut auditor, &registry, &path, "a test", move |events| {
            sender.send(events).unwrap()
        });
        let append = async {
            for _ in 0..20 {
                events.append("acme", stream, 5).await;
            }
            appended_meanwhile = true;
        };
        let (backup, ()) = tokio::join!(backup, append);
        assert_eq!(receiver.iter().last(), Some(backup.as_ref().unwrap().manifest.events));
        backup.unwrap()
    };
    assert!(appended_meanwhile);
    let tally = backup.verify(|_| {}).unwrap();
    for stream in tally.streams() {
        assert_eq!(
            (stream.from_version, stream.to_version),
            (1, stream.events as i64),
            "a stream with a gap"
        );
    }
    let restored = Events::new().await;
    restored.restore(&backup).await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_not_empty_or_not_migrated_is_refused_and_stays_as_it_is() {
    let (events, folder) = (stored().await, TempDir::new().unwrap());
    let backup = events.backup(&folder.path().join("backup")).await.unwrap();
    let before = events.rows("event_store").await;
    let refused = events.restore(&backup).await.unwrap_err();
    assert!(refused.to_string().contains("events were appended to it already"), "{refused}");
    assert_eq!(events.rows("event_store").await, before);

    let mut newer = backup.clone();
    newer.manifest.database.as_mut().unwrap().migrations.insert("event_store/999".into(), "00".into());
    let refused = Events::new().await.restore(&newer).await.unwrap_err();
    assert!(refused.to_string().contains("migration event_store/999"), "{refused}");
}

#[tokio::test]
async fn a_restore_that_fails_leaves_nothing() {
    let (events, folder) = (stored().await, TempDir::new().unwrap());
    let mut backup = events.backup(&folder.path().join("backup")).await.unwrap();
    backup.manifest.streams[0].events += 1;
    let restored = Events::new().await;
    let refused = restored.restore(&backup).await.unwrap_err();
    assert!(matches!(refused, Error::Differs { .. }), "{refused}");
    assert_eq!(restored.rows("event_store").await.len() + restored.rows("store_audit").await.len(), 0);
}

#[tokio::test]
async fn nobody_slips_past_the_outbox_by_calling_it_a_restoration() {
    let events = Events::new().await;
    let mut app = events.connect("app").await;
    let insert = "select restore_events('acme', 1, null, null, null, null, null, null, null, null, null, null, null, null)";
    for statement in ["select begin_restoration('acme', 'restore-backup', 'me', 'so', 0, null, '{}')", insert]
    {
        let refused = app.execute(statement).await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "42501", "{statement}");
    }
    // An audit row of another transaction lets nothing through, and neither does the setting.
    let mut owner = events.connect("owner").await;
    owner
        .execute("select begin_restoration('acme', 'restore-backup', 'me', 'so', 0, null, '{}')")
        .await
        .unwrap();
    let refused = owner.execute(insert).await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "23001");
    app.execute("set millrace.restoration = '1'").await.unwrap();
    let mut transaction = app.begin().await.unwrap();
    let append = event_store::Append {
        aggregate_id: aggregate(),
        aggregate_type: "thing".into(),
        expected: event_store::Expected::None,
        events: vec![crate::fixture::event()],
    };
    event_store::PgEventStore::append_within(&mut transaction, &crate::fixture::tenant("acme"), &[append])
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(events.number("select count(*) from outbox").await, 1);
}

#[tokio::test]
async fn a_table_that_the_auditor_cannot_see_whole_stops_the_backup() {
    let (events, folder) = (stored().await, TempDir::new().unwrap());
    let mut owner = events.connect("owner").await;
    owner.execute("create table forgotten (tenant_id text)").await.unwrap();
    let path = folder.path().join("backup");
    let refused = events.backup(&path).await.unwrap_err();
    assert!(refused.to_string().contains("table forgotten"), "{refused}");
    assert!(!path.exists());
}
