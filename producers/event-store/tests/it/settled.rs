//! Up to where the store has settled, and that a reader who follows misses nothing.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use event_store::{EventLog, EventStore, Expected, Filter, PgEventStore};
use sqlx::{Connection, Executor};

use crate::fixture::{Events, aggregate, append, tenant};

#[tokio::test]
async fn a_gap_that_may_still_be_filled_holds_the_reader_back() {
    let (events, acme) = (Events::new().await, tenant("acme"));
    let (store, log) = (events.store().await, events.log().await);
    store.append(&acme, &[append(aggregate(), Expected::None, 2)]).await.unwrap();

    let mut slow = events.connect("app").await;
    let mut slow = slow.begin().await.unwrap();
    PgEventStore::append_within(&mut slow, &acme, &[append(aggregate(), Expected::None, 2)]).await.unwrap();
    store.append(&acme, &[append(aggregate(), Expected::None, 1)]).await.unwrap();
    assert_eq!(log.settled_position().await.unwrap(), 2);
    assert_eq!(log.read_all(0, 100).await.unwrap().len(), 2);

    slow.commit().await.unwrap();
    assert_eq!(log.settled_position().await.unwrap(), 5);
    let rest: Vec<u64> = log.read_all(2, 100).await.unwrap().iter().map(|event| event.position).collect();
    assert_eq!(rest, [3, 4, 5]);
}

#[tokio::test]
async fn a_gap_that_nobody_can_fill_any_more_is_passed() {
    let (events, acme) = (Events::new().await, tenant("acme"));
    let (store, log) = (events.store().await, events.log().await);
    let mut app = events.connect("app").await;
    let mut transaction = app.begin().await.unwrap();
    PgEventStore::append_within(&mut transaction, &acme, &[append(aggregate(), Expected::None, 2)])
        .await
        .unwrap();
    transaction.rollback().await.unwrap();
    store.append(&acme, &[append(aggregate(), Expected::None, 1)]).await.unwrap();
    assert_eq!(log.read_all(0, 100).await.unwrap()[0].position, 3);
}

/// Takes positions and gives them up.
async fn roll_back_an_append(events: &Events, count: i64) {
    let mut app = events.connect("app").await;
    let mut transaction = app.begin().await.unwrap();
    PgEventStore::append_within(
        &mut transaction,
        &tenant("acme"),
        &[append(aggregate(), Expected::None, count)],
    )
    .await
    .unwrap();
    transaction.rollback().await.unwrap();
}

/// What a server forgets that crashes: the numbers that a rolled back append took are not on its disk yet.
#[tokio::test]
async fn a_reader_misses_nothing_when_a_crash_takes_the_sequence_back() {
    let (events, acme) = (Events::new().await, tenant("acme"));
    let (store, log) = (events.store().await, events.log().await);
    store.append(&acme, &[append(aggregate(), Expected::None, 2)]).await.unwrap();
    roll_back_an_append(&events, 1).await;
    let slice = log.read(&Filter::all(), 0, 100).await.unwrap();
    assert_eq!((slice.through, slice.settled), (2, 2), "the gap at the end has not settled");

    events.owner.execute("select setval('event_store_position_seq', 2)").await.unwrap();
    let appended = store.append(&acme, &[append(aggregate(), Expected::None, 1)]).await.unwrap();
    assert_eq!(appended.aggregates[0].first_position, 3, "the position is given a second time");
    assert_eq!(log.read_all(slice.through, 100).await.unwrap().len(), 1);
}

/// As a restore does it, which sets the sequence before its rows can be seen.
#[tokio::test]
async fn nothing_settles_because_the_sequence_ran_ahead() {
    let (events, acme) = (Events::new().await, tenant("acme"));
    let (store, log) = (events.store().await, events.log().await);
    events.owner.execute("select setval('event_store_position_seq', 50)").await.unwrap();
    assert_eq!(log.settled_position().await.unwrap(), 0);
    store.append(&acme, &[append(aggregate(), Expected::None, 1)]).await.unwrap();
    assert_eq!(log.settled_position().await.unwrap(), 51);
}

#[tokio::test]
async fn an_announcement_from_a_moment_ago_makes_no_reader_stand_beyond_the_log() {
    let (events, acme) = (Events::new().await, tenant("acme"));
    let (store, log) = (events.store().await, events.log().await);
    store.append(&acme, &[append(aggregate(), Expected::None, 3)]).await.unwrap();
    // It looked at the sequence before these three took theirs, and announces what it saw only now.
    let mut late = events.connect("app").await;
    let mut late = late.begin().await.unwrap();
    late.execute("select pg_advisory_xact_lock_shared(x'4d52'::integer, 1)").await.unwrap();
    assert_eq!(log.settled_position().await.unwrap(), 1);
    let slice = log.read(&Filter::all(), 3, 10).await.unwrap();
    assert_eq!((slice.events, slice.through, slice.settled), (vec![], 3, 3));
}

#[tokio::test]
async fn a_transaction_that_appends_nothing_holds_nobody_back() {
    let (events, acme) = (Events::new().await, tenant("acme"));
    let (store, log) = (events.store().await, events.log().await);
    let mut cdc = events.connect("cdc").await;
    let mut idle = cdc.begin().await.unwrap();
    idle.execute("update cdc_heartbeat set at = now()").await.unwrap();
    store.append(&acme, &[append(aggregate(), Expected::None, 1)]).await.unwrap();
    assert_eq!(log.settled_position().await.unwrap(), 1);
}

/// Appenders that commit, roll back and take their time, in several aggregates at once; a reader that follows them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_who_follows_concurrent_appenders_misses_nothing() {
    const APPENDERS: usize = 8;
    const ROUNDS: usize = 60;
    let events = Events::new().await;
    let (log, done) = (events.log().await, AtomicBool::new(false));

    let mut appenders = tokio::task::JoinSet::new();
    for appender in 0..APPENDERS {
        let mut app = events.connect("app").await;
        appenders.spawn(async move {
            let (acme, mut committed) = (tenant("acme"), BTreeSet::new());
            for round in 0..ROUNDS {
                let mut transaction = app.begin().await.unwrap();
                let mut ids = vec![];
                for _ in 0..1 + round % 3 {
                    let append = append(aggregate(), Expected::None, 1 + (round % 4) as i64);
                    ids.extend(append.events.iter().map(|event| event.event_id));
                    PgEventStore::append_within(&mut transaction, &acme, &[append]).await.unwrap();
                    tokio::task::yield_now().await;
                }
                if (round + appender) % 5 == 0 {
                    transaction.rollback().await.unwrap();
                } else {
                    transaction.commit().await.unwrap();
                    committed.extend(ids);
                }
            }
            committed
        });
    }

    let follow = async {
        let (mut seen, mut position) = (vec![], 0);
        loop {
            let was_done = done.load(Ordering::Acquire);
            let page = log.read_all(position, 50).await.unwrap();
            if let Some(last) = page.last() {
                position = last.position;
                seen.extend(page.iter().map(|event| event.event_id));
            } else if was_done {
                return seen;
            }
        }
    };
    let write = async {
        let mut committed = BTreeSet::new();
        while let Some(ids) = appenders.join_next().await {
            committed.extend(ids.unwrap());
        }
        done.store(true, Ordering::Release);
        committed
    };
    let (seen, committed) = tokio::join!(follow, write);
    assert_eq!(seen.len(), committed.len(), "nothing twice");
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), committed, "nothing missed");
}
