//! What an append costs on the wire, and what happens when the wire breaks.

use event_store::{Append, AppendError, EventStore, Expected};
use sqlx::Row;

use crate::fixture::{Events, aggregate, append, tenant};

#[tokio::test]
async fn an_append_is_one_round_trip_and_so_is_a_conflict_and_a_load() {
    let (events, acme, id) = (Events::new().await, tenant("acme"), aggregate());
    let (proxy, store) = events.proxied(1);
    // The first of each prepares its statement.
    store.append(&acme, &[append(id, Expected::None, 1)]).await.unwrap();
    store.load(&acme, id, 0).await.unwrap();

    proxy.round_trips();
    for version in 1..=20 {
        let both = [append(id, Expected::Exactly(version), 1), append(aggregate(), Expected::None, 3)];
        store.append(&acme, &both).await.unwrap();
    }
    assert_eq!(proxy.round_trips(), 20, "appends");
    store.append(&acme, &[append(id, Expected::None, 1)]).await.unwrap_err();
    assert_eq!(proxy.round_trips(), 1, "a conflict, with the events in between");
    assert_eq!(store.load(&acme, id, 0).await.unwrap().len(), 21);
    assert_eq!(proxy.round_trips(), 1, "a load");
}

#[tokio::test]
async fn an_append_whose_answer_is_lost_is_stored_once_and_answered_after_all() {
    let (events, acme) = (Events::new().await, tenant("acme"));
    let (proxy, store) = events.proxied(2);
    let warm = append(aggregate(), Expected::None, 1);
    store.append(&acme, std::slice::from_ref(&warm)).await.unwrap();

    for expected in [Expected::None, Expected::Any] {
        let (a, b) = (append(aggregate(), expected, 3), append(aggregate(), Expected::Any, 2));
        let both: [Append; 2] = [a, b];
        proxy.lose_next_answer();
        let appended = store.append(&acme, &both).await.expect("the second try finds what the first did");
        for (append, to) in both.iter().zip(&appended.aggregates) {
            let stored = events.store().await.load(&acme, append.aggregate_id, 0).await.unwrap();
            assert_eq!(stored.len(), append.events.len(), "once");
            assert_eq!(to.version, stored.last().unwrap().version);
            assert_eq!(
                (to.first_position, to.last_position),
                (stored[0].position, stored.last().unwrap().position)
            );
            assert_eq!(appended.recorded_at, stored[0].recorded_at);
        }
    }
}

#[tokio::test]
async fn a_lost_answer_to_a_lost_race_stays_a_conflict() {
    let (events, acme, id) = (Events::new().await, tenant("acme"), aggregate());
    let (proxy, store) = events.proxied(2);
    store.append(&acme, &[append(id, Expected::None, 1)]).await.unwrap();
    proxy.lose_next_answer();
    let lost = store.append(&acme, &[append(id, Expected::None, 1)]).await;
    assert!(matches!(lost, Err(AppendError::Conflict(_))), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_the_server_ended_are_replaced() {
    let (events, acme, id) = (Events::new().await, tenant("acme"), aggregate());
    let store = events.store().await;
    let mut appends = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = store.clone();
        appends.spawn(async move {
            store.append(&tenant("acme"), &[append(aggregate(), Expected::None, 1)]).await
        });
    }
    assert!(appends.join_all().await.iter().all(Result::is_ok));
    // A role may end its own sessions.
    let ended = sqlx::query(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity
         where datname = current_database() and usename = 'app' and pid <> pg_backend_pid()",
    )
    .fetch_one(&mut events.connect("app").await)
    .await
    .unwrap();
    assert!(ended.get::<i64, _>(0) >= 1);
    store.append(&acme, &[append(id, Expected::None, 2)]).await.expect("a fresh connection is tried");
    assert_eq!(store.load(&acme, id, 0).await.unwrap().len(), 2);
}
