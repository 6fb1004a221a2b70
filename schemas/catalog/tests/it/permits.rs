//! What loses something is done only by name, and to nothing else.

use catalog::{Cluster, KafkaError, Manifest, Permits, Retired};

use crate::{admin, apply, manifest, observed, permitted, without_rules};

/// The manifest without its topic, which is retired now.
fn retired(manifest: &Manifest) -> Manifest {
    let mut manifest = manifest.clone();
    let topics = std::mem::take(&mut manifest.topics).into_iter();
    manifest.retired =
        topics.map(|topic| Retired { name: topic.name, reason: "A test.".to_owned() }).collect();
    manifest
}

/// What is there of a manifest, in full.
async fn all_of(manifest: &Manifest) -> Cluster {
    let mut cluster = observed(manifest).await;
    cluster.acls.retain(|acl| manifest.principals().contains(&acl.principal));
    cluster.users.retain(|user| manifest.user(user).is_some());
    cluster
}

#[tokio::test]
async fn a_topic_without_keys_grows_and_a_keyed_one_grows_when_told_so() {
    let name = testkit::unique("growing");
    apply(&manifest(&name, 1, "2h")).await;
    apply(&manifest(&name, 2, "2h")).await;
    let mut keyed = manifest(&name, 3, "2h");
    keyed.topics[0].key = Some("a key".to_owned());
    let error = permitted(&keyed, Permits::default()).await.unwrap_err();
    assert!(matches!(error, KafkaError::Plan(_)), "{error}");
    assert_eq!(observed(&keyed).await.topics[&name].partitions, 2);
    permitted(&keyed, Permits { grow_keyed: vec![name.clone()], ..Permits::default() }).await.unwrap();
    assert_eq!(observed(&keyed).await.topics[&name].partitions, 3);
    without_rules(&keyed).await;
}

#[tokio::test]
async fn retention_becomes_longer_and_when_told_so_shorter() {
    let name = testkit::unique("shrinking");
    let retention = async |manifest| observed(manifest).await.topics[&name].settings["retention.ms"].clone();
    apply(&manifest(&name, 1, "2h")).await;
    let longer = manifest(&name, 1, "3h");
    apply(&longer).await;
    assert_eq!(retention(&longer).await, "10800000");
    let shorter = manifest(&name, 1, "1h");
    let error = permitted(&shorter, Permits::default()).await.unwrap_err().to_string();
    assert!(error.contains("every record for 1h instead of every record for 3h"), "{error}");
    assert_eq!(retention(&shorter).await, "10800000");
    permitted(&shorter, Permits { shrink_retention: vec![name.clone()], ..Permits::default() })
        .await
        .unwrap();
    assert_eq!(retention(&shorter).await, "3600000");
    without_rules(&shorter).await;
}

#[tokio::test]
async fn only_a_retired_topic_that_is_named_is_deleted_and_nothing_else_is_touched() {
    let (old, other) = (testkit::unique("retired"), testkit::unique("retired-too"));
    let bystander = manifest(&testkit::unique("bystander"), 2, "5h");
    let (mut both, more) = (manifest(&old, 1, "2h"), manifest(&other, 1, "2h"));
    both.topics.extend(more.topics);
    both.users.extend(more.users);
    apply(&both).await;
    apply(&bystander).await;
    let (before, retired) = (all_of(&bystander).await, retired(&both));

    let shown = apply(&retired).await;
    assert_eq!((shown.kept.len(), shown.steps.len()), (2, 0), "{shown:?}");
    let delete = |name: &str| Permits { delete_topic: vec![name.to_owned()], ..Permits::default() };
    let error = permitted(&retired, delete(&bystander.topics[0].name)).await.unwrap_err();
    assert!(matches!(error, KafkaError::Plan(_)), "{error}");

    permitted(&retired, delete(&old)).await.unwrap();
    let left: Vec<_> = observed(&retired).await.topics.into_keys().collect();
    assert_eq!(left, [other]);
    let again = permitted(&retired, delete(&old)).await.unwrap();
    assert!(again.steps.is_empty(), "what is gone need not go again");
    without_rules(&retired).await;
    assert_eq!(all_of(&bystander).await, before, "nobody declared it, nobody touches it");
    without_rules(&bystander).await;
}

#[tokio::test]
async fn looking_changes_nothing() {
    let manifest = manifest(&testkit::unique("looked-at"), 1, "2h");
    let before = all_of(&manifest).await;
    let plan = catalog::plan(&manifest, &admin().observe(&manifest).await.unwrap(), &Permits::default());
    assert_eq!(plan.steps.len(), 6);
    assert_eq!(all_of(&manifest).await, before);
}
