//! Ten thousand appends at once, slow ones and such as are rolled back among them; one follower.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use event_store::{EventStore, Filter, PgEventLog, PgEventStore};
use events::EventId;
use sqlx::Connection;
use subscriptions::{Config, Delivery, Subscription};
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinSet;

use crate::fixture::{Events, acme, append, in_memory, pool};

const APPENDS: u64 = 10_000;
const CONNECTIONS: u64 = 16;

/// What an append of the storm does, all of them different: events, how long it stays open, whether it is rolled back.
fn fate(append: u64) -> (usize, Duration, bool) {
    let dice = append.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let stays_open =
        if dice.is_multiple_of(7) { Duration::from_micros(dice % 3_000) } else { Duration::ZERO };
    (1 + (dice % 3) as usize, stays_open, dice.is_multiple_of(5))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_concurrent_appends_are_all_seen_by_position_and_none_twice() {
    let events = Events::new().await;
    let log = PgEventLog::listening(pool(&events.database.url("auditor"), 3).await);
    let mut connections = vec![];
    for _ in 0..CONNECTIONS {
        connections.push(Arc::new(Mutex::new(events.connect("app").await)));
    }
    let mut appends = JoinSet::new();
    for number in 0..APPENDS {
        let connection = connections[(number % CONNECTIONS) as usize].clone();
        appends.spawn(async move {
            let (count, stays_open, rolled_back) = fate(number);
            let append = append(count);
            let mut connection = connection.lock().await;
            let mut transaction = connection.begin().await.unwrap();
            PgEventStore::append_within(&mut transaction, &acme(), std::slice::from_ref(&append))
                .await
                .unwrap();
            tokio::time::sleep(stays_open).await; // a slow client, so that commits come out of order
            if rolled_back {
                transaction.rollback().await.unwrap()
            } else {
                transaction.commit().await.unwrap()
            }
            if rolled_back { 0 } else { count as u64 }
        });
    }
    let (tell_total, mut total) = oneshot::channel();
    let write = async {
        let mut stored = 0;
        while let Some(count) = appends.join_next().await {
            stored += count.unwrap();
        }
        tell_total.send(stored).unwrap();
    };
    let follow = async {
        let (mut seen, mut known) = (BTreeMap::<u64, EventId>::new(), None);
        let config =
            Config { slice_events_max: 100, look_every: Duration::from_millis(5), ..Config::default() };
        let mut subscription = Subscription::new(&log, Filter::all(), 0, config);
        while known.is_none_or(|total| (seen.len() as u64) < total) {
            tokio::select! {
                total = &mut total, if known.is_none() => known = Some(total.unwrap()),
                delivery = subscription.next() => if let Delivery::Slice(slice) = delivery.unwrap() {
                    for event in slice.events {
                        assert!(seen.last_key_value().is_none_or(|(last, _)| *last < event.position), "by position");
                        assert_eq!(seen.insert(event.position, event.event_id), None, "once");
                    }
                }
            }
        }
        seen
    };
    let ((), seen) = tokio::join!(write, follow);
    let stored: Vec<(i64, uuid::Uuid)> =
        sqlx::query_as("select position, event_id from event_store order by position")
            .fetch_all(&mut events.connect("auditor").await)
            .await
            .unwrap();
    let seen: Vec<_> =
        seen.into_iter().map(|(position, id)| (i64::try_from(position).unwrap(), id.0)).collect();
    assert!(stored.len() > 10_000, "the storm was one: {}", stored.len());
    assert!(i64::try_from(stored.len()).unwrap() < stored.last().unwrap().0, "and left gaps");
    assert!(seen == stored, "seen = stored");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_concurrent_appends_in_memory_are_all_seen() {
    let store = Arc::new(in_memory());
    let mut appends = JoinSet::new();
    for number in 0..APPENDS {
        let store = store.clone();
        appends.spawn(async move { store.append(&acme(), &[append(fate(number).0)]).await.unwrap() });
    }
    let total: u64 = (0..APPENDS).map(|number| fate(number).0 as u64).sum();
    let mut subscription = Subscription::new(&*store, Filter::all(), 0, Config::default());
    let mut position = 0;
    while position < total {
        if let Delivery::Slice(slice) = subscription.next().await.unwrap() {
            let positions: Vec<_> = slice.events.iter().map(|event| event.position).collect();
            assert_eq!(positions, (position + 1..=slice.through).collect::<Vec<_>>());
            position = slice.through;
        }
    }
    assert!(appends.join_all().await.iter().all(|appended| !appended.aggregates.is_empty()));
}
