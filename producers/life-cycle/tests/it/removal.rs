//! A tenant goes, in two steps, and no other tenant notices.

use std::sync::atomic::{AtomicUsize, Ordering};

use event_store::{Append, AppendError, EventStore, Expected};
use life_cycle::Error;
use personal_data::MasterKeys;
use serde_json::json;
use sqlx::Executor;

use crate::fixture::{World, deed, event, tenant};

#[tokio::test]
async fn a_removed_tenant_leaves_its_audit_and_nothing_else_and_others_are_as_they_were() {
    let world = World::new().await;
    let keyring = world.keyring(MasterKeys::random("one"));
    let (acme, other) = (tenant("acme"), tenant("other"));
    let mut greeted = vec![];
    for tenant in [&acme, &other] {
        greeted.push(world.greet(&keyring, tenant, "ada", 3).await);
        world.stream(tenant, &["A", "B"]).await;
        world.stream(tenant, &["A", "ThingWithdrawn"]).await;
    }
    let others = world.rows("other").await;

    let refused = world.steward.purge_tenant(&acme, true, &deed()).await;
    assert!(matches!(refused, Err(Error::NotYetWithdrawn(_))), "{refused:?}");

    // Killed between two streams, so to speak.
    let written = AtomicUsize::new(0);
    let fails = |_: &_| match written.fetch_add(1, Ordering::Relaxed) {
        0 => Ok(event("ThingWithdrawn", json!({}))),
        _ => Err("the power went".to_owned()),
    };
    let stopped = world.steward.withdraw_tenant(&acme, &world.store, fails, &deed()).await;
    assert!(matches!(stopped, Err(Error::NotWithdrawn { .. })), "{stopped:?}");
    let refused = world.steward.purge_tenant(&acme, true, &deed()).await;
    assert!(
        matches!(refused, Err(Error::NotYetWithdrawn(_))),
        "a first step that stopped is not done: {refused:?}"
    );

    let withdrawal = |_: &_| Ok(event("ThingWithdrawn", json!({})));
    let withdrawn = world.steward.withdraw_tenant(&acme, &world.store, withdrawal, &deed()).await.unwrap();
    assert_eq!((withdrawn.streams, withdrawn.events, withdrawn.keys), (2, 9, 1));
    let again = world.steward.withdraw_tenant(&acme, &world.store, withdrawal, &deed()).await.unwrap();
    assert_eq!((again.streams, again.keys), (0, 0));

    let late = Append {
        aggregate_id: events::AggregateId(uuid::Uuid::now_v7()),
        aggregate_type: "thing".into(),
        expected: Expected::None,
        events: vec![event("A", json!({}))],
    };
    let refused = world.store.append(&acme, std::slice::from_ref(&late)).await.unwrap_err();
    assert!(format!("{refused:?}").contains("acme was removed"), "{refused:?}");
    let refused = keyring.key_of(&acme, &"new".parse().unwrap()).await;
    assert!(refused.is_err(), "nobody gets a key of a tenant that goes");
    let import =
        "select import_run_begin('acme', gen_random_uuid(), 'm', 'the mapping', 'a file', 'a person')";
    let refused = world.connect("app", "").await.execute(import).await.unwrap_err();
    assert!(refused.to_string().contains("acme was removed"), "{refused}");

    let refused = world.steward.purge_tenant(&acme, false, &deed()).await;
    assert!(
        matches!(&refused, Err(Error::NotDelivered { confirmed, .. }) if confirmed == "nothing"),
        "{refused:?}"
    );
    let purged = world.steward.purge_tenant(&acme, true, &deed()).await.unwrap();
    assert_eq!((purged.streams, purged.events), (3, 9));
    assert_eq!(purged.rows["outbox"], 9);
    assert_eq!(purged.rows["subject_key"], 1);

    let left = world.rows("acme").await;
    let of = |table: &str| left.iter().filter(|row| row.starts_with(table)).count();
    assert_eq!((of("pruned "), of("removed_tenant ")), (3, 1));
    assert_eq!(of("pruned ") + of("removed_tenant ") + of("store_audit "), left.len(), "{left:?}");
    assert_eq!(world.rows("other").await, others);

    let again = world.steward.purge_tenant(&acme, false, &deed()).await.unwrap();
    assert_eq!((again.streams, again.rows.len()), (0, 0), "it can be repeated");
    assert!(
        world.store.append(&acme, std::slice::from_ref(&late)).await.is_err(),
        "its name is not used again"
    );
    let taken = Append { aggregate_id: greeted[0], ..late };
    let refused = world.store.append(&other, &[taken]).await;
    assert!(matches!(refused, Err(AppendError::Taken)), "nor are its ids, by anybody: {refused:?}");
    let violations = world.steward.check(async |_| Ok(())).await.unwrap();
    assert_eq!(violations, []);
}

#[tokio::test]
async fn an_append_that_began_before_the_removal_is_withdrawn_too() {
    use sqlx::Connection;
    let world = World::new().await;
    let acme = tenant("acme");
    world.stream(&acme, &["A"]).await;
    let mut early = world.connect("app", "").await;
    let mut transaction = early.begin().await.unwrap();
    let append = Append {
        aggregate_id: events::AggregateId(uuid::Uuid::now_v7()),
        aggregate_type: "thing".into(),
        expected: Expected::None,
        events: vec![event("A", json!({}))],
    };
    event_store::PgEventStore::append_within(&mut transaction, &acme, &[append]).await.unwrap();

    let withdrawal = |_: &_| Ok(event("ThingWithdrawn", json!({})));
    let deed = deed();
    let removal = world.steward.withdraw_tenant(&acme, &world.store, withdrawal, &deed);
    let ending = async {
        // The removal is under way once the tenant is marked.
        let mut auditor = world.connect("auditor", "").await;
        while sqlx::query("select from removed_tenant").fetch_optional(&mut auditor).await.unwrap().is_none()
        {
            tokio::task::yield_now().await;
        }
        transaction.commit().await.unwrap();
    };
    let (withdrawn, ()) = tokio::join!(removal, ending);
    assert_eq!(withdrawn.unwrap().streams, 2);
}
