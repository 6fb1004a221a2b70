//! Appending inside the caller's own transaction.

use event_store::{Append, AppendError, EventStore, Expected, Invalid, NewEvent, PgEventStore};
use sqlx::{Connection, Executor};

use crate::fixture::{Events, aggregate, append, event, tenant};

#[tokio::test]
async fn a_conflict_leaves_the_callers_transaction_usable() {
    let (events, acme, id) = (Events::new().await, tenant("acme"), aggregate());
    let mut app = events.connect("app").await;
    let mut transaction = app.begin().await.unwrap();
    PgEventStore::append_within(&mut transaction, &acme, &[append(id, Expected::None, 1)]).await.unwrap();
    for _ in 0..2 {
        let lost =
            PgEventStore::append_within(&mut transaction, &acme, &[append(id, Expected::None, 1)]).await;
        assert!(matches!(lost, Err(AppendError::Conflict(_))), "{lost:?}");
    }
    PgEventStore::append_within(&mut transaction, &acme, &[append(id, Expected::Exactly(1), 1)])
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(events.store().await.load(&acme, id, 0).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_rolled_back_was_never_appended() {
    let (events, acme, id) = (Events::new().await, tenant("acme"), aggregate());
    let mut app = events.connect("app").await;
    let mut transaction = app.begin().await.unwrap();
    PgEventStore::append_within(&mut transaction, &acme, &[append(id, Expected::None, 3)]).await.unwrap();
    transaction.rollback().await.unwrap();
    let store = events.store().await;
    assert_eq!(store.load(&acme, id, 0).await.unwrap(), []);
    store
        .append(&acme, &[append(id, Expected::None, 1)])
        .await
        .expect("versions are as if nothing had happened");
}

#[tokio::test]
async fn an_older_snapshot_is_refused_rather_than_trusted() {
    let (events, acme) = (Events::new().await, tenant("acme"));
    let mut app = events.connect("app").await;
    let mut transaction = app.begin().await.unwrap();
    transaction.execute("set transaction isolation level repeatable read").await.unwrap();
    let refused =
        PgEventStore::append_within(&mut transaction, &acme, &[append(aggregate(), Expected::None, 1)]).await;
    assert!(matches!(&refused, Err(AppendError::Store(_))), "{refused:?}");
}

#[tokio::test]
async fn what_the_outbox_could_not_carry_is_not_stored() {
    let (events, acme) = (Events::new().await, tenant("acme"));
    let store = events.store().await;
    let with = |change: fn(&mut NewEvent)| {
        let mut event = event(1);
        change(&mut event);
        Append { events: vec![event], ..append(aggregate(), Expected::None, 0) }
    };
    let refused = [
        with(|event| event.payload = vec![]),
        with(|event| event.payload = vec![1, 0, 0, 0, 1, 42]),
        with(|event| event.payload = vec![0; 512 * 1024 + 1]),
        with(|event| event.event_type = "not a record".into()),
        with(|event| event.metadata.actor = Some("a\0b".into())),
        Append { aggregate_type: "../x".into(), ..append(aggregate(), Expected::None, 1) },
        Append { aggregate_type: String::new(), ..append(aggregate(), Expected::None, 1) },
    ];
    for append in refused {
        let answer = store.append(&acme, std::slice::from_ref(&append)).await;
        assert!(
            matches!(answer, Err(AppendError::Invalid(Invalid::Refused(_)))),
            "{answer:?} for {:?}",
            append.events[0].event_type
        );
    }
    store
        .append(&acme, &[with(|event| event.payload = vec![0; 512 * 1024])])
        .await
        .expect("the limit itself fits");
}

#[tokio::test]
async fn without_a_partition_for_today_the_error_says_so() {
    let (events, acme) = (Events::new().await, tenant("acme"));
    let mut owner = events.connect("owner").await;
    let today: String =
        sqlx::query_scalar("select 'outbox_' || to_char(now() at time zone 'UTC', 'YYYYMMDD')")
            .fetch_one(&mut owner)
            .await
            .unwrap();
    owner.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(format!("drop table {today}")))).await.unwrap();
    let refused = events.store().await.append(&acme, &[append(aggregate(), Expected::None, 1)]).await;
    let Err(AppendError::Store(error)) = refused else { panic!("{refused:?}") };
    assert!(error.to_string().contains("no partition for today"), "{error}");
}
