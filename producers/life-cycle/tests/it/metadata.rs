//! Notes about streams.

use life_cycle::{SetMetadata, StreamMetadata};
use serde_json::{Map, Value, json};

use crate::fixture::{World, tenant};

fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

#[tokio::test]
async fn metadata_is_set_at_a_revision_and_seen_by_its_tenant_alone() {
    let world = World::new().await;
    let (acme, other) = (tenant("acme"), tenant("other"));
    let id = world.stream(&acme, &["A"]).await;
    let set = async |of, expected, value: Value| {
        world.steward.set_stream_metadata(of, id, expected, map(value), "me").await
    };
    assert_eq!(set(&acme, 0, json!({"legal_hold": true})).await.unwrap(), SetMetadata::Set(1));
    let SetMetadata::Conflict(known) = set(&acme, 0, json!({})).await.unwrap() else { panic!("a conflict") };
    assert_eq!(known, StreamMetadata { revision: 1, metadata: map(json!({"legal_hold": true})) });
    assert_eq!(set(&acme, 1, json!({"legal_hold": false})).await.unwrap(), SetMetadata::Set(2));
    assert_eq!(world.steward.stream_metadata(&acme, id).await.unwrap().revision, 2);

    assert_eq!(set(&other, 0, json!({})).await.unwrap(), SetMetadata::Unknown);
    assert_eq!(world.steward.stream_metadata(&other, id).await.unwrap(), StreamMetadata::default());

    let refused = set(&acme, 2, json!({"much": "x".repeat(20_000)})).await;
    assert!(refused.is_err(), "{refused:?}");
    let audits = world.rows("acme").await;
    let set: Vec<_> = audits.iter().filter(|row| row.contains("set-metadata")).collect();
    assert!(
        set.len() == 2 && set.iter().all(|row| row.contains(r#""changed": ["legal_hold"]"#)),
        "{audits:?}"
    );
    assert!(set.iter().all(|row| !row.contains("true")), "no value outlives its stream: {audits:?}");
}
