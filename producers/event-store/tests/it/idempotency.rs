//! What every store promises about commands that carry a key.

use std::time::Duration;

use event_store::{
    Append, AppendError, Appended, EventLog, EventStore, Expected, IdempotencyKey, Invalid, PgEventStore,
    expire_commands,
};
use sqlx::{Connection, Executor};

use crate::fixture::{Events, aggregate, append, in_memory, join, promises, tenant};

promises! {
    a_repeated_command_gets_the_first_answer_whatever_happened_since
    the_same_key_for_another_command_is_refused
    another_tenants_key_is_another_key
    thirty_two_copies_at_once_store_one_set_of_events
    a_command_that_changed_nothing_has_its_answer_too
    what_was_refused_leaves_its_key_free
}

fn key(name: &str, body: &str) -> IdempotencyKey {
    IdempotencyKey::new(name, body.as_bytes()).unwrap()
}

fn as_repeated(first: &Appended) -> Appended {
    Appended { repeated: true, ..first.clone() }
}

async fn a_repeated_command_gets_the_first_answer_whatever_happened_since(
    store: &impl EventStore,
    _: &impl EventLog,
) {
    let (acme, a, b, key) = (tenant("acme"), aggregate(), aggregate(), key("k", "body"));
    assert_eq!(store.answered(&acme, &key).await.unwrap(), None);
    let command = || [append(a, Expected::None, 3), append(b, Expected::None, 1)];
    let first = store.append_keyed(&acme, &command(), Some(&key)).await.unwrap();
    assert!(!first.repeated);
    let events: Vec<u64> = first.aggregates.iter().map(|to| to.events).collect();
    assert_eq!(events, [3, 1]);
    store.append(&acme, &[append(a, Expected::Exactly(3), 2)]).await.unwrap();

    // New event ids and an expectation that no longer holds: it is the same command all the same.
    let again = store.append_keyed(&acme, &command(), Some(&key)).await.unwrap();
    assert_eq!(again, as_repeated(&first));
    assert_eq!(store.answered(&acme, &key).await.unwrap(), Some(again));
    assert_eq!(store.load(&acme, a, 0).await.unwrap().len(), 5);
    assert_eq!(store.load(&acme, b, 0).await.unwrap().len(), 1);
}

async fn the_same_key_for_another_command_is_refused(store: &impl EventStore, _: &impl EventLog) {
    let (acme, id) = (tenant("acme"), aggregate());
    store.append_keyed(&acme, &[append(id, Expected::None, 1)], Some(&key("k", "one"))).await.unwrap();
    let another = key("k", "two");
    let refused = store.append_keyed(&acme, &[append(id, Expected::Any, 1)], Some(&another)).await;
    assert!(matches!(&refused, Err(AppendError::KeyReused { key }) if key == "k"), "{refused:?}");
    let refused = store.answered(&acme, &another).await;
    assert!(matches!(&refused, Err(AppendError::KeyReused { key }) if key == "k"), "{refused:?}");
    assert_eq!(store.load(&acme, id, 0).await.unwrap().len(), 1);
}

async fn another_tenants_key_is_another_key(store: &impl EventStore, _: &impl EventLog) {
    let key = key("k", "body");
    for name in ["acme", "other"] {
        assert_eq!(store.answered(&tenant(name), &key).await.unwrap(), None);
        let new = append(aggregate(), Expected::None, 1);
        assert!(!store.append_keyed(&tenant(name), &[new], Some(&key)).await.unwrap().repeated);
    }
}

async fn thirty_two_copies_at_once_store_one_set_of_events(store: &impl EventStore, log: &impl EventLog) {
    let (acme, key) = (tenant("acme"), key("k", "body"));
    // Each copy makes ids of its own, of aggregates too: only the key says that they are one command.
    let copy =
        async || store.append_keyed(&acme, &[append(aggregate(), Expected::None, 2)], Some(&key)).await;
    let answers: Vec<Appended> =
        join((0..32).map(|_| copy()).collect()).await.into_iter().map(Result::unwrap).collect();
    let first = answers.iter().find(|answer| !answer.repeated).expect("one of them was the first").clone();
    assert_eq!(answers.iter().filter(|answer| **answer == as_repeated(&first)).count(), 31);
    assert_eq!(log.read_all(0, 100).await.unwrap().len(), 2);
}

async fn a_command_that_changed_nothing_has_its_answer_too(store: &impl EventStore, log: &impl EventLog) {
    let (acme, id, key) = (tenant("acme"), aggregate(), key("k", "body"));
    store.append(&acme, &[append(id, Expected::None, 4)]).await.unwrap();
    let nothing = [append(id, Expected::Exactly(4), 0)];
    let first = store.append_keyed(&acme, &nothing, Some(&key)).await.unwrap();
    let to = first.aggregates[0];
    assert_eq!((to.version, to.events, to.first_position), (4, 0, 0));
    store.append(&acme, &[append(id, Expected::Exactly(4), 1)]).await.unwrap();
    assert_eq!(store.append_keyed(&acme, &nothing, Some(&key)).await.unwrap(), as_repeated(&first));
    assert_eq!(log.read_all(0, 100).await.unwrap().len(), 5);

    let without_key = store.append(&acme, &nothing).await;
    assert!(matches!(without_key, Err(AppendError::Invalid(Invalid::NoEvents(_)))), "{without_key:?}");
}

async fn what_was_refused_leaves_its_key_free(store: &impl EventStore, _: &impl EventLog) {
    let (acme, id, key) = (tenant("acme"), aggregate(), key("k", "body"));
    let stored = append(id, Expected::None, 1);
    store.append(&acme, std::slice::from_ref(&stored)).await.unwrap();
    let copied = Append { expected: Expected::Any, ..stored };
    for refused in [append(id, Expected::None, 1), copied] {
        store.append_keyed(&acme, &[refused], Some(&key)).await.unwrap_err();
        assert_eq!(store.answered(&acme, &key).await.unwrap(), None);
    }
    store.append_keyed(&acme, &[append(id, Expected::Exactly(1), 1)], Some(&key)).await.unwrap();
}

#[tokio::test]
async fn a_keyed_append_whose_answer_was_lost_is_answered_with_what_is_stored() {
    let (events, acme, id) = (Events::new().await, tenant("acme"), aggregate());
    let (proxy, store) = events.proxied(2);
    store.append(&acme, &[append(aggregate(), Expected::None, 1)]).await.unwrap();
    proxy.lose_next_answer();
    let key = key("k", "body");
    let answer = store.append_keyed(&acme, &[append(id, Expected::None, 2)], Some(&key)).await.unwrap();
    assert_eq!((answer.aggregates[0].version, answer.repeated), (2, true));
    assert_eq!(events.store().await.load(&acme, id, 0).await.unwrap().len(), 2);

    proxy.round_trips();
    store.append_keyed(&acme, &[append(id, Expected::None, 2)], Some(&key)).await.unwrap();
    assert_eq!(proxy.round_trips(), 1, "a stored answer");
}

#[tokio::test]
async fn the_key_and_the_events_are_one_transaction_of_the_caller() {
    let (events, acme, id, key) = (Events::new().await, tenant("acme"), aggregate(), key("k", "body"));
    let (store, mut app) = (events.store().await, events.connect("app").await);
    let mut transaction = app.begin().await.unwrap();
    let new = || [append(id, Expected::None, 1)];
    PgEventStore::append_keyed_within(&mut transaction, &acme, &new(), &key).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(store.answered(&acme, &key).await.unwrap(), None);

    let mut transaction = app.begin().await.unwrap();
    PgEventStore::append_keyed_within(&mut transaction, &acme, &new(), &key).await.unwrap();
    // A refused key and a conflict leave the transaction usable.
    let other = IdempotencyKey::new("k", b"other").unwrap();
    let refused = PgEventStore::append_keyed_within(&mut transaction, &acme, &new(), &other).await;
    assert!(matches!(refused, Err(AppendError::KeyReused { .. })), "{refused:?}");
    let refused = PgEventStore::append_within(&mut transaction, &acme, &new()).await;
    assert!(matches!(refused, Err(AppendError::Conflict(_))), "{refused:?}");
    PgEventStore::append_within(&mut transaction, &acme, &[append(id, Expected::Exactly(1), 1)])
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert!(store.append_keyed(&acme, &new(), Some(&key)).await.unwrap().repeated);
    assert_eq!(store.load(&acme, id, 0).await.unwrap().len(), 2);
}

/// As the role that keeps house: of all tenants, and of none.
#[tokio::test]
async fn answers_to_old_commands_are_forgotten_whoever_gave_them_and_young_ones_stay() {
    let events = Events::new().await;
    let store = events.store().await;
    let mut owner = events.connect("owner").await;
    for name in ["acme", "other"] {
        let (tenant, new) = (tenant(name), || [append(aggregate(), Expected::None, 1)]);
        store.append_keyed(&tenant, &new(), Some(&key("old", "body"))).await.unwrap();
        sqlx::query("select set_config('millrace.tenant', $1, false)")
            .bind(name)
            .execute(&mut owner)
            .await
            .unwrap();
        owner.execute("update command set answered_at = answered_at - interval '3 days'").await.unwrap();
        // More than one transaction forgets.
        owner
            .execute(
                "insert into command
                 select c.tenant_id, 'copy-' || n, c.body_digest, c.answered_at, c.aggregate_ids, c.versions,
                    c.first_positions, c.last_positions, c.event_counts
                 from command as c cross join generate_series(1, 599) as n
                 where c.key = 'old' and c.tenant_id = current_setting('millrace.tenant')",
            )
            .await
            .unwrap();
        store.append_keyed(&tenant, &new(), Some(&key("young", "body"))).await.unwrap();
    }
    let day = Duration::from_secs(24 * 60 * 60);
    assert_eq!(expire_commands(&events.owner, day).await.unwrap(), 1200);
    assert_eq!(expire_commands(&events.owner, day).await.unwrap(), 0);
    for name in ["acme", "other"] {
        let tenant = tenant(name);
        assert_eq!(store.answered(&tenant, &key("old", "body")).await.unwrap(), None);
        assert!(store.answered(&tenant, &key("young", "body")).await.unwrap().is_some());
    }
}
