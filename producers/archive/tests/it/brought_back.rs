//! Events that the store lost and the topic still has.

use archive::{EventRow, LostKey, bring_back};
use event_store::{EventStore, PgSubjectKeys};
use events::{AggregateId, EventId};
use personal_data::{KeyId, KeyState, KeyStore, MasterKeys, SubjectId};
use sqlx::types::Uuid;

use crate::fixture::{Events, aggregate, deed, tenant};

/// An event as it comes from the topic, with a text that this key sealed.
fn sealed_by(key: Uuid, aggregate_id: AggregateId, version: i64) -> EventRow {
    EventRow {
        position: 0,
        tenant_id: "acme".into(),
        aggregate_id,
        aggregate_type: "thing".into(),
        version,
        event_id: EventId(Uuid::now_v7()),
        event_type: "ThingHappened".into(),
        payload: vec![0, 0, 0, 0, 1, 42],
        event_data: format!(r#"{{"name": "enc:v1:{key}:c2VhbGVk", "list": ["enc:v1:not a key:", "plain"]}}"#),
        metadata: "{}".into(),
        occurred_at: 1,
        recorded_at: 1,
        transaction_id: 0,
    }
}

#[tokio::test]
async fn keys_that_nobody_has_any_more_are_named_and_read_as_erased() {
    let (events, acme, stream) = (Events::new().await, tenant("acme"), aggregate());
    let keys = PgSubjectKeys::new(events.connections());
    let person: SubjectId = "a-person".parse().unwrap();
    let known = MasterKeys::random("a").new_key(&acme, &person);
    let known = keys.ensure(&acme, known).await.unwrap();

    let lost = Uuid::now_v7();
    let rows =
        vec![sealed_by(lost, stream, 1), sealed_by(known.key_id.0, stream, 2), sealed_by(lost, stream, 3)];
    let named = bring_back(&mut events.connect("owner").await, &deed(), rows).await.unwrap();
    assert_eq!(named, [LostKey { tenant_id: "acme".into(), key_id: lost }]);

    assert_eq!(events.store.load(&acme, stream, 0).await.unwrap().len(), 3);
    let found = keys.find(&acme, KeyId(lost)).await.unwrap().expect("it is noted");
    assert!(matches!(found.state, KeyState::Destroyed), "{found:?}");
    let still = keys.find(&acme, known.key_id).await.unwrap().unwrap();
    assert!(matches!(still.state, KeyState::Wrapped { .. }), "{still:?}");
    let noted = events
        .number("select count(*) from subject_key join store_audit on audit_id = destroyed_by where action = 'reconcile-store'")
        .await;
    assert_eq!(noted, 1, "under the audit row of what brought its events back");
}
