//! The log as its followers read it: filtered, to a position, and told when there is more.

use std::time::Duration;

use event_store::{
    Append, EventLog, EventStore, Expected, Filter, PgEventLog, PgEventStore, StoreError, Until, Woken,
};
use events::{AggregateId, Timestamp};
use sqlx::Executor;
use sqlx::postgres::PgListener;

use crate::fixture::{Events, aggregate, append, connections, in_memory, pool, promises, tenant};

promises! {
    the_log_is_read_by_tenant_type_and_time
    a_rare_event_is_found_however_far_away
    history_is_read_as_of_a_position
    a_reader_beyond_the_log_is_told_so
}

fn door(id: AggregateId, count: i64) -> Append {
    Append { aggregate_type: "door".into(), ..append(id, Expected::None, count) }
}

async fn the_log_is_read_by_tenant_type_and_time(store: &impl EventStore, log: &impl EventLog) {
    let at = Timestamp::from_micros;
    for name in ["acme", "other"] {
        store.append(&tenant(name), &[append(aggregate(), Expected::None, 3)]).await.unwrap();
        let mut doors = door(aggregate(), 3);
        doors.events[1].event_type = "DoorOpened".into();
        store.append(&tenant(name), &[doors]).await.unwrap();
    }
    let read = async |filter: Filter| {
        let slice = log.read(&filter, 0, 100).await.unwrap();
        assert_eq!((slice.through, slice.settled), (12, 12));
        assert!(slice.events.iter().all(|event| filter.admits(event)));
        slice.events.iter().map(|event| event.position).collect::<Vec<_>>()
    };
    let all = Filter::all;
    assert_eq!(read(all()).await.len(), 12);
    assert_eq!(read(Filter { tenant: Some(tenant("other")), ..all() }).await, [7, 8, 9, 10, 11, 12]);
    assert_eq!(read(Filter { tenant: Some(tenant("third")), ..all() }).await, [] as [u64; 0]);
    assert_eq!(read(Filter { aggregate_types: vec!["door".into()], ..all() }).await, [4, 5, 6, 10, 11, 12]);
    assert_eq!(read(Filter { event_types: vec!["DoorOpened".into()], ..all() }).await, [5, 11]);
    let both = vec!["DoorOpened".into(), "ThingHappened".into()];
    assert_eq!(read(Filter { event_types: both, ..all() }).await.len(), 12);
    let (occurred_from, occurred_before) = (Some(at(2)), Some(at(3)));
    assert_eq!(read(Filter { occurred_from, occurred_before, ..all() }).await, [2, 5, 8, 11]);

    // A full slice ends with its last event, whatever comes after.
    let doors = Filter { aggregate_types: vec!["door".into()], ..all() };
    let slice = log.read(&doors, 0, 4).await.unwrap();
    assert_eq!((slice.events.len(), slice.through), (4, 10));
}

async fn a_rare_event_is_found_however_far_away(store: &impl EventStore, log: &impl EventLog) {
    store.append(&tenant("acme"), &[append(aggregate(), Expected::None, 500)]).await.unwrap();
    store.append(&tenant("acme"), &[door(aggregate(), 1)]).await.unwrap();
    let doors = Filter { aggregate_types: vec!["door".into()], ..Filter::all() };
    let (mut found, mut position, mut reads) = (vec![], 0, 0);
    while position < log.settled_position().await.unwrap() {
        let slice = log.read(&doors, position, 2).await.unwrap();
        assert!(slice.through > position, "each read gets further");
        position = slice.through;
        found.extend(slice.events);
        reads += 1;
    }
    assert_eq!(found.iter().map(|event| event.position).collect::<Vec<_>>(), [501]);
    assert!(reads < 20, "{reads} reads for one event");
}

async fn history_is_read_as_of_a_position(store: &impl EventStore, _: &impl EventLog) {
    let (acme, id) = (tenant("acme"), aggregate());
    store.append(&acme, &[append(id, Expected::None, 2)]).await.unwrap();
    store.append(&acme, &[append(aggregate(), Expected::None, 2)]).await.unwrap();
    store.append(&acme, &[append(id, Expected::Exactly(2), 2)]).await.unwrap();
    for (position, count) in [(0, 0), (1, 1), (2, 2), (4, 2), (5, 3), (6, 4), (u64::MAX, 4)] {
        let found = store.load_until(&acme, id, 0, Until::Position(position)).await.unwrap();
        assert_eq!(found.len(), count, "at position {position}");
    }
}

async fn a_reader_beyond_the_log_is_told_so(store: &impl EventStore, log: &impl EventLog) {
    let ahead = async |position| match log.read(&Filter::all(), position, 10).await {
        Err(StoreError::AheadOfLog { position, settled }) => Some((position, settled)),
        Ok(slice) => {
            assert_eq!((slice.events, slice.through, slice.settled), (vec![], position, position));
            None
        }
        Err(error) => panic!("{error}"),
    };
    assert_eq!((ahead(0).await, ahead(1).await), (None, Some((1, 0))));
    store.append(&tenant("acme"), &[append(aggregate(), Expected::None, 3)]).await.unwrap();
    assert_eq!((ahead(3).await, ahead(4).await), (None, Some((4, 3))));
    assert_eq!(ahead(u64::MAX).await, Some((u64::MAX, 3)));
    let doors = Filter { aggregate_types: vec!["door".into()], ..Filter::all() };
    assert!(matches!(log.read(&doors, 9, 1).await, Err(StoreError::AheadOfLog { position: 9, settled: 3 })));
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_reader_in_memory_is_woken_by_an_append() {
    let store = in_memory();
    let mut wakeups = store.wakeups();
    store.append(&tenant("acme"), &[append(aggregate(), Expected::None, 1)]).await.unwrap();
    assert_eq!(wakeups.next(LONG).await, Woken::Told, "also of what came before it waited");
    assert_eq!(wakeups.next(Duration::ZERO).await, Woken::Waited, "once");
}

/// What is told on the channel that readers listen to.
async fn hears(events: &Events) -> PgListener {
    let mut listener = PgListener::connect(&events.database.url("auditor")).await.unwrap();
    listener.listen("event_store_appended").await.unwrap();
    listener
}

async fn heard(listener: &mut PgListener) -> String {
    tokio::time::timeout(LONG, listener.recv()).await.expect("it is told").unwrap().payload().to_owned()
}

#[tokio::test]
async fn a_reader_is_woken_by_a_store_that_tells_and_one_notification_serves_many_appends() {
    let events = Events::new().await;
    let log = PgEventLog::listening(pool(&events.database.url("auditor"), 3).await);
    let app = connections(&events.database.url("app"), 4);
    let store = PgEventStore::telling(app, Duration::from_secs(3_600));
    let (mut wakeups, mut listener) = (log.wakeups(), hears(&events).await);
    assert_eq!(wakeups.next(LONG).await, Woken::Told, "the listener is connected: look once");
    for _ in 0..20 {
        store.append(&tenant("acme"), &[append(aggregate(), Expected::None, 1)]).await.unwrap();
    }
    assert_eq!(wakeups.next(LONG).await, Woken::Told);
    assert_eq!(heard(&mut listener).await, "");
    events.connect("app").await.execute("notify event_store_appended, 'marker'").await.unwrap();
    assert_eq!(heard(&mut listener).await, "marker", "the next is an hour away");
}

#[tokio::test]
async fn an_append_notifies_nobody_by_itself() {
    let events = Events::new().await;
    let mut listener = hears(&events).await;
    events.store().await.append(&tenant("acme"), &[append(aggregate(), Expected::None, 1)]).await.unwrap();
    events.connect("app").await.execute("notify event_store_appended, 'marker'").await.unwrap();
    assert_eq!(heard(&mut listener).await, "marker", "the append sent none before it");
}
