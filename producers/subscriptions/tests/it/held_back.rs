//! Who holds followers back, and for how long at most.

use std::time::{Duration, Instant};

use event_store::{AppenderWatch, EventLog, EventStore, Expected, Filter, PgEventStore};
use prometheus::{Encoder, Registry, TextEncoder};
use sqlx::{Connection, Executor};
use subscriptions::{Config, Delivery, Subscription};
use testkit::eventually;

use crate::fixture::{Events, LONG, acme, append, connect};

#[tokio::test]
async fn open_transactions_that_append_nothing_hold_nobody_back_wherever_they_are() {
    let events = Events::new().await;
    let views = testkit::views_database().await;
    // A long rebuild in the views' database, a heartbeat, a long report over the store, a role that only read as its tenant.
    let mut rebuild = connect(&views.url("owner")).await;
    let mut rebuild = rebuild.begin().await.unwrap();
    rebuild.execute("create table half_built as select pg_current_xact_id()").await.unwrap();
    let mut heartbeat = events.connect("cdc").await;
    let mut heartbeat = heartbeat.begin().await.unwrap();
    heartbeat.execute("update cdc_heartbeat set at = now()").await.unwrap();
    let mut report = events.connect("auditor").await;
    let mut report = report.begin().await.unwrap();
    report
        .execute("set transaction isolation level repeatable read; select count(*) from event_store")
        .await
        .unwrap();
    let mut reader = events.connect("app").await;
    let mut reader = reader.begin().await.unwrap();
    reader.execute("select pg_current_xact_id(), count(*) from event_store").await.unwrap();

    let (store, log) = (events.store(), events.log().await);
    let mut subscription = Subscription::new(&log, Filter::all(), 0, Config::default());
    for position in [1, 3] {
        store.append(&acme(), &[append(1), append(1)][..1 + usize::from(position == 3)]).await.unwrap();
        assert_eq!(log.settled_position().await.unwrap(), position);
        loop {
            if let Delivery::Slice(slice) = subscription.next().await.unwrap() {
                assert_eq!(slice.through, position);
                break;
            }
        }
    }
    drop((rebuild, heartbeat, report, reader));
}

#[tokio::test]
async fn an_open_appender_holds_followers_back_until_it_is_ended_and_nothing_is_skipped() {
    const HELD_MAX: Duration = Duration::from_secs(10);
    let events = Events::new().await;
    let (store, log) = (events.store(), events.log().await);
    let (registry, mut watch) = (Registry::new(), AppenderWatch::new(events.owner.clone(), HELD_MAX));
    watch.register(&registry).unwrap();

    let mut forgetful = events.connect("app").await;
    forgetful.execute("set application_name = 'forgetful'").await.unwrap();
    let mut open = forgetful.begin().await.unwrap();
    let lost = append(1);
    PgEventStore::append_within(&mut open, &acme(), std::slice::from_ref(&lost)).await.unwrap();
    store.append(&acme(), &[append(1)]).await.unwrap();
    assert_eq!(log.settled_position().await.unwrap(), 0, "what the open one took may still come");

    let start = Instant::now();
    let seen = watch.look(start).await.unwrap();
    assert_eq!((seen.len(), seen[0].held, seen[0].ended), (1, Duration::ZERO, false), "{seen:?}");
    assert_eq!(
        (seen[0].application_name.as_str(), seen[0].state.as_str()),
        ("forgetful", "idle in transaction")
    );
    let seen = watch.look(start + HELD_MAX - Duration::from_millis(1)).await.unwrap();
    assert!(!seen[0].ended, "within its bound: {seen:?}");
    assert_eq!(log.settled_position().await.unwrap(), 0);

    let seen = watch.look(start + HELD_MAX).await.unwrap();
    assert_eq!((seen[0].pid.is_some(), seen[0].held, seen[0].ended), (true, HELD_MAX, true), "{seen:?}");
    eventually("followers go on", LONG, async || log.settled_position().await.unwrap() == 2).await;
    let rest = log.read_all(0, 10).await.unwrap();
    assert_eq!(
        rest.iter().map(|event| event.position).collect::<Vec<_>>(),
        [2],
        "what was never committed is not there"
    );
    assert!(open.commit().await.is_err(), "and cannot be committed any more");
    assert_eq!(watch.look(start + HELD_MAX * 2).await.unwrap(), []);

    let mut text = vec![];
    TextEncoder::new().encode(&registry.gather(), &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("millrace_appender_ended_total 1"), "{text}");
    assert!(text.contains("millrace_appender_held_seconds 0"), "{text}");
}

#[tokio::test]
async fn an_appender_that_ends_in_time_is_left_alone_and_its_events_come() {
    let events = Events::new().await;
    let (log, mut watch) = (events.log().await, AppenderWatch::new(events.owner.clone(), LONG));
    let mut app = events.connect("app").await;
    let start = Instant::now();
    // One session, one transaction after the other: each has the whole bound.
    for round in 1..=3_u32 {
        let mut transaction = app.begin().await.unwrap();
        PgEventStore::append_within(&mut transaction, &acme(), &[append(1)]).await.unwrap();
        let seen = watch.look(start + LONG / 2 * round).await.unwrap();
        assert_eq!((seen.len(), seen[0].held, seen[0].ended), (1, Duration::ZERO, false), "{seen:?}");
        transaction.commit().await.unwrap();
        assert_eq!(log.settled_position().await.unwrap(), u64::from(round));
    }
}

#[tokio::test]
async fn a_session_that_is_between_two_appends_is_not_an_open_appender() {
    let events = Events::new().await;
    let mut watch = AppenderWatch::new(events.owner.clone(), Duration::ZERO);
    let store = events.store();
    store.append(&acme(), &[append(1)]).await.unwrap();
    assert_eq!(watch.look(Instant::now()).await.unwrap(), []);
    let again = crate::fixture::append_to(events::AggregateId(uuid::Uuid::now_v7()), Expected::None, 1);
    store.append(&acme(), &[again]).await.expect("its session lives");
}

#[tokio::test]
async fn a_role_that_appends_cannot_hold_an_idle_transaction_open_for_ever() {
    let events = Events::new().await;
    let mut app = events.connect("app").await;
    for setting in ["idle_in_transaction_session_timeout", "statement_timeout"] {
        let shown: String =
            sqlx::query_scalar("select current_setting($1)").bind(setting).fetch_one(&mut app).await.unwrap();
        assert_ne!(shown, "0", "{setting} has no bound");
    }
}
