//! Catch-up, then live; whom it tells what, and what it may cost.

use std::time::Duration;

use event_store::{EventLog, EventStore, Filter, PgEventLog, PgEventStore, Slice, StoreError};
use subscriptions::{Config, Delivery, Metrics, Subscription};

use crate::fixture::{Events, LONG, acme, append, ids, in_memory, pool};

fn slices_of(slice_events_max: u32) -> Config {
    Config { slice_events_max, ..Config::default() }
}

fn slice(delivery: Delivery) -> Slice {
    match delivery {
        Delivery::Slice(slice) => slice,
        other => panic!("a slice is expected, not {other:?}"),
    }
}

async fn catches_up_and_goes_live(store: &impl EventStore, log: &impl EventLog) {
    let past = append(5);
    store.append(&acme(), std::slice::from_ref(&past)).await.unwrap();
    let mut subscription = Subscription::new(log, Filter::all(), 0, slices_of(2));
    let mut seen = vec![];
    for events in [2, 2, 1] {
        let slice = slice(subscription.next().await.unwrap());
        assert_eq!(slice.events.len(), events);
        seen.extend(ids(&slice));
    }
    assert_eq!(subscription.next().await.unwrap(), Delivery::CaughtUp { position: 5 });
    assert_eq!(seen, past.events.iter().map(|event| event.event_id).collect::<Vec<_>>());

    let (acme, append) = (acme(), append(1));
    let (live, appended) =
        tokio::join!(subscription.next(), store.append(&acme, std::slice::from_ref(&append)));
    appended.unwrap();
    let live = slice(live.unwrap());
    assert_eq!((ids(&live), live.through), (vec![append.events[0].event_id], 6));
}

#[tokio::test]
async fn a_subscription_catches_up_and_goes_live_in_memory() {
    let store = in_memory();
    catches_up_and_goes_live(&store, &store).await;
}

#[tokio::test]
async fn a_subscription_catches_up_and_goes_live_in_postgres() {
    let events = Events::new().await;
    catches_up_and_goes_live(&events.store(), &events.log().await).await;
}

#[tokio::test]
async fn a_subscription_that_falls_behind_says_so_and_catches_up_again() {
    let store = in_memory();
    let config = Config { behind_max: 10, ..slices_of(4) };
    let mut subscription = Subscription::new(&store, Filter::all(), 0, config);
    assert_eq!(subscription.next().await.unwrap(), Delivery::CaughtUp { position: 0 });
    store.append(&acme(), &[append(20)]).await.unwrap();
    assert_eq!(slice(subscription.next().await.unwrap()).through, 4);
    assert_eq!(subscription.next().await.unwrap(), Delivery::FellBehind { position: 4, settled: 20 });
    for through in [8, 12, 16, 20] {
        assert_eq!(slice(subscription.next().await.unwrap()).through, through);
    }
    assert_eq!(subscription.next().await.unwrap(), Delivery::CaughtUp { position: 20 });
}

#[tokio::test]
async fn a_filtered_subscription_gets_on_and_can_remember_where_it_is() {
    let store = in_memory();
    store.append(&acme(), &[append(100)]).await.unwrap();
    let doors = Filter { aggregate_types: vec!["door".into()], ..Filter::all() };
    let config = Config { remember_every: 50, ..Config::default() };
    let mut subscription = Subscription::new(&store, doors, 0, config);
    let nothing = slice(subscription.next().await.unwrap());
    assert_eq!((nothing.events.len(), nothing.through), (0, 100));
    assert_eq!(subscription.next().await.unwrap(), Delivery::CaughtUp { position: 100 });
}

#[tokio::test]
async fn a_subscriber_wakes_by_notification() {
    let events = Events::new().await;
    let log = PgEventLog::listening(pool(&events.database.url("auditor"), 3).await);
    let store = PgEventStore::telling(events.app(2), Duration::from_millis(1));
    let metrics = Metrics::new("wakes");
    // Nobody would look by itself within this test.
    let config = Config { look_every: LONG * 60, ..Config::default() };
    let mut subscription = Subscription::new(log, Filter::all(), 0, config).counted(metrics.clone());
    assert_eq!(subscription.next().await.unwrap(), Delivery::CaughtUp { position: 0 });
    for position in 1..=5 {
        let (acme, append) = (acme(), append(1));
        let (delivery, appended) =
            tokio::join!(subscription.next(), store.append(&acme, std::slice::from_ref(&append)));
        appended.unwrap();
        assert_eq!(slice(delivery.unwrap()).through, position);
    }
    assert_eq!(metrics.waited.get(), 0);
}

#[tokio::test]
async fn a_subscriber_whose_notifications_are_lost_still_gets_everything() {
    let events = Events::new().await;
    let auditor = pool(&events.database.url("auditor"), 3).await;
    let log = PgEventLog::listening(auditor);
    // The store tells once, of the first append, and the listener's session is ended before that.
    let store = PgEventStore::telling(events.app(2), LONG * 60);
    let metrics = Metrics::new("deaf");
    let config = Config { look_every: Duration::from_millis(20), ..Config::default() };
    let mut subscription = Subscription::new(log, Filter::all(), 0, config).counted(metrics.clone());
    assert_eq!(subscription.next().await.unwrap(), Delivery::CaughtUp { position: 0 });
    // Whoever listens can be seen by its own role only; a role may end its own sessions.
    let mut ends = events.connect("auditor").await;
    let mut ended = 0;
    testkit::eventually("the listener is connected", LONG, async || {
        let end = "select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid() and usename = 'auditor' and query ilike 'listen%'";
        ended = sqlx::query_scalar::<_, i64>(end).fetch_one(&mut ends).await.unwrap();
        ended > 0
    })
    .await;
    assert_eq!(ended, 1, "one session listens");
    for position in 1..=5 {
        store.append(&acme(), &[append(1)]).await.unwrap();
        assert_eq!(slice(subscription.next().await.unwrap()).through, position);
    }
    assert!(metrics.waited.get() > 0);
}

async fn beyond_the_log(store: &impl EventStore, log: &impl EventLog) {
    store.append(&acme(), &[append(2)]).await.unwrap();
    // It was at 5 when the store was restored from a backup that has two events.
    let mut subscription = Subscription::new(log, Filter::all(), 5, Config::default());
    let refused = subscription.next().await.unwrap_err();
    assert!(matches!(refused, StoreError::AheadOfLog { position: 5, settled: 2 }), "{refused}");
}

#[tokio::test]
async fn a_subscriber_that_remembers_another_log_stops_and_says_so_in_memory() {
    let store = in_memory();
    beyond_the_log(&store, &store).await;
}

#[tokio::test]
async fn a_subscriber_that_remembers_another_log_stops_and_says_so_in_postgres() {
    let events = Events::new().await;
    beyond_the_log(&events.store(), &events.log().await).await;
}
