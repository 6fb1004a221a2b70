//! Streams that leave the store for a file, and come back.

use archive::{
    ArchiveState, ArchivedEvents, Error, Folder, ReadError, Wanted, archive_streams, list, restore_streams,
};
use event_store::{Append, AppendError, EventStore, Expected, StoreError, Until};
use events::AggregateId;
use sqlx::Executor;
use tempfile::TempDir;

use crate::fixture::{Events, aggregate, deed, event, registry, tenant};

async fn archived(
    events: &Events,
    directory: &TempDir,
    streams: &[(AggregateId, Option<u64>)],
) -> Result<Folder, Error> {
    let (mut owner, mut auditor) = (events.connect("owner").await, events.connect("auditor").await);
    let wanted = Wanted { tenant: &tenant("acme"), streams };
    archive_streams(&mut owner, &mut auditor, &registry(), directory.path(), wanted, &deed(), "a test").await
}

fn first(aggregate_id: AggregateId) -> Append {
    Append { aggregate_id, aggregate_type: "thing".into(), expected: Expected::None, events: vec![event()] }
}

async fn states(events: &Events, directory: &TempDir) -> Vec<ArchiveState> {
    let listed = list(&mut events.connect("auditor").await, directory.path()).await.unwrap();
    listed.into_iter().map(|archive| archive.state).collect()
}

#[tokio::test]
async fn an_archived_stream_comes_back_exactly_as_it_left() {
    let (events, directory) = (Events::new().await, TempDir::new().unwrap());
    let (stream, kept, other) = (aggregate(), aggregate(), aggregate());
    for _ in 0..4 {
        events.append("acme", stream, 3).await;
        events.append("acme", kept, 1).await;
        events.append("other", other, 2).await;
    }
    let before = events.rows("event_store").await;
    let others = "(select * from event_store where tenant_id = 'other')";
    let of_others = events.rows(others).await;
    let published = events.number("select count(*) from outbox").await;

    let folder = archived(&events, &directory, &[(stream, None)]).await.unwrap();
    assert_eq!(folder.manifest.events, 11);
    assert_eq!(events.rows("event_store").await.len(), before.len() - 11, "its last event stays");
    assert_eq!(events.rows(others).await, of_others);
    let refused = events.store.load(&tenant("acme"), stream, 0).await.unwrap_err();
    assert!(matches!(refused, StoreError::Archived { through_version: 11, .. }), "{refused}");
    events.append("acme", stream, 1).await;
    let taken = events.store.append(&tenant("other"), &[first(stream)]).await;
    assert!(matches!(taken, Err(AppendError::Taken)), "its id is nobody else's: {taken:?}");
    assert_eq!(states(&events, &directory).await, [ArchiveState::Archived]);

    let mut owner = events.connect("owner").await;
    assert_eq!(restore_streams(&mut owner, &folder, &deed()).await.unwrap().events, 11);
    let mut after = events.rows("event_store").await;
    after.retain(|row| before.contains(row));
    assert_eq!(after, before);
    assert_eq!(events.store.load(&tenant("acme"), stream, 0).await.unwrap().len(), 13);
    assert_eq!(
        events.number("select count(*) from outbox").await,
        published + 1,
        "only the new event is published"
    );
    assert_eq!(states(&events, &directory).await, [ArchiveState::Restored]);
    // Neither twice, nor may it be deleted because it once was.
    restore_streams(&mut owner, &folder, &deed()).await.unwrap_err();
    owner.execute("select set_config('millrace.tenant', 'acme', false)").await.unwrap();
    let refused = owner.execute("delete from event_store where version <= 11").await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "23001");
}

#[tokio::test]
async fn an_archived_stream_is_read_from_where_it_is() {
    let (events, directory) = (Events::new().await, TempDir::new().unwrap());
    let stream = aggregate();
    events.append("acme", stream, 9).await;
    let acme = tenant("acme");
    let whole = events.store.load(&acme, stream, 0).await.unwrap();
    archived(&events, &directory, &[(stream, Some(3))]).await.unwrap();
    archived(&events, &directory, &[(stream, Some(7))]).await.unwrap();

    let reader = ArchivedEvents::open(directory.path()).unwrap();
    let read =
        async |after, until| reader.load_until(&events.store, &acme, stream, after, until).await.unwrap();
    assert_eq!(read(0, Until::Now).await, whole);
    assert_eq!(read(2, Until::Version(5)).await, whole[2..5]);
    assert_eq!(read(8, Until::Now).await, whole[8..]);
    assert_eq!(read(0, Until::Recorded(whole[0].recorded_at)).await, whole);

    // The older of the two, alone, has a hole behind it; and it comes back after the newer one only.
    let listed = list(&mut events.connect("auditor").await, directory.path()).await.unwrap();
    let older = Folder::open(&directory.path().join(&listed[0].name)).unwrap();
    let newest_first =
        restore_streams(&mut events.connect("owner").await, &older, &deed()).await.unwrap_err();
    assert!(std::error::Error::source(&newest_first).unwrap().to_string().contains(&listed[1].name));
    std::fs::remove_dir_all(directory.path().join(&listed[1].name)).unwrap();
    let reader = ArchivedEvents::open(directory.path()).unwrap();
    let missing = reader.load_until(&events.store, &acme, stream, 0, Until::Now).await.unwrap_err();
    assert!(matches!(missing, ReadError::NotFound { version: 4, .. }), "{missing}");
}

#[tokio::test]
async fn an_archived_stream_that_was_withdrawn_before_is_read_from_its_withdrawal_on() {
    let (events, directory) = (Events::new().await, TempDir::new().unwrap());
    let (stream, acme) = (aggregate(), tenant("acme"));
    events.append("acme", stream, 9).await;
    let whole = events.store.load(&acme, stream, 0).await.unwrap();
    archived(&events, &directory, &[(stream, Some(2))]).await.unwrap();
    sqlx::query("select prune_events('acme', 'withdrawn', 'me', 'why', array[$1], array[4::bigint])")
        .bind(stream.0)
        .execute(&mut events.connect("owner").await)
        .await
        .unwrap();
    archived(&events, &directory, &[(stream, Some(7))]).await.unwrap();

    let reader = ArchivedEvents::open(directory.path()).unwrap();
    let read = async |after, until| reader.load_until(&events.store, &acme, stream, after, until).await;
    assert_eq!(read(0, Until::Now).await.unwrap(), whole[4..], "3 and 4 are gone and do not count");
    assert_eq!(read(5, Until::Version(8)).await.unwrap(), whole[5..8]);
}

#[tokio::test]
async fn what_cannot_be_archived_is_named_and_nothing_leaves() {
    let (events, directory) = (Events::new().await, TempDir::new().unwrap());
    let (stream, other) = (aggregate(), aggregate());
    events.append("acme", stream, 3).await;
    events.append("other", other, 3).await;
    let before = events.rows("event_store").await;
    for (streams, reason) in [
        (vec![(stream, None), (other, None)], "tenant acme has no events of it"),
        (vec![(stream, Some(3))], "the last one, 3, stays"),
        (vec![(stream, Some(0))], "nothing up to version 0"),
    ] {
        let refused = archived(&events, &directory, &streams).await.unwrap_err();
        assert!(refused.to_string().contains(reason), "{refused}");
    }
    assert_eq!(events.rows("event_store").await, before);
    assert_eq!(states(&events, &directory).await, []);
}

#[tokio::test]
async fn a_run_that_ended_before_its_events_left_is_repeated() {
    let (events, directory) = (Events::new().await, TempDir::new().unwrap());
    let stream = aggregate();
    events.append("acme", stream, 3).await;
    let before = events.rows("event_store").await;
    // Everything but the last step: the owner may not delete.
    events.connect("owner").await.execute("revoke delete on event_store from owner").await.unwrap();
    archived(&events, &directory, &[(stream, None)]).await.unwrap_err();
    assert_eq!(
        (states(&events, &directory).await, events.rows("event_store").await),
        (vec![ArchiveState::Unused], before)
    );
    events.connect("owner").await.execute("grant delete on event_store to owner").await.unwrap();
    archived(&events, &directory, &[(stream, None)]).await.unwrap();
    assert_eq!(states(&events, &directory).await, [ArchiveState::Unused, ArchiveState::Archived]);
}

#[tokio::test]
async fn a_damaged_archive_restores_nothing() {
    let (events, directory) = (Events::new().await, TempDir::new().unwrap());
    let stream = aggregate();
    events.append("acme", stream, 3).await;
    let folder = archived(&events, &directory, &[(stream, None)]).await.unwrap();
    let before = events.rows("event_store").await;
    let file = folder.path.join("events.avro");
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let refused = restore_streams(&mut events.connect("owner").await, &folder, &deed()).await.unwrap_err();
    assert!(refused.to_string().contains("events.avro is damaged"), "{refused}");
    assert_eq!(events.rows("event_store").await, before);
}
