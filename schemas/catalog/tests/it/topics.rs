//! Topics and rules come to be as declared, and stay.

use std::time::Duration;

use catalog::{
    Acl, Cluster, KafkaAdmin, KafkaAdminConfig, KafkaError, Manifest, Operation, Passwords, Pattern, Permits,
    Plan, Resource, Step,
};
use rdkafka::admin::{AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};

use crate::{admin, apply, config, manifest, observed, passwords, permitted, plain_admin, without_rules};

fn plan(manifest: &Manifest, cluster: &Cluster) -> Plan {
    catalog::plan(manifest, cluster, &Permits::default())
}

#[tokio::test]
async fn what_is_declared_comes_to_be_and_the_second_time_nothing_is_left_to_do() {
    let manifest = manifest(&testkit::unique("declared"), 3, "2h");
    let first = apply(&manifest).await;
    assert_eq!(first.steps.len(), 6);
    let cluster = observed(&manifest).await;
    let topic = &cluster.topics[&manifest.topics[0].name];
    assert_eq!((topic.partitions, topic.replicas), (3, 1));
    assert_eq!(topic.settings["retention.ms"], "7200000");
    assert_eq!(topic.settings["min.insync.replicas"], "1");
    assert!(manifest.acls().is_subset(&cluster.acls));

    let second = apply(&manifest).await;
    assert!(second.steps.is_empty());
    assert_eq!(second.unchanged, 6);
    without_rules(&manifest).await;
}

#[tokio::test]
async fn drift_is_removed_and_foreign_settings_and_rules_stay() {
    let name = testkit::unique("drifted");
    let declared = manifest(&name, 1, "2h");
    apply(&declared).await;

    let by_hand = AlterConfig::new(ResourceSpecifier::Topic(&name))
        .set("retention.ms", "1000")
        .set("segment.bytes", "2097152");
    plain_admin().alter_configs(&[by_hand], &AdminOptions::new()).await.unwrap();
    let stranger = manifest(&testkit::unique("stranger"), 1, "2h");
    apply(&stranger).await;
    let mut greedy = declared.clone();
    greedy.users[0].writes = vec![format!("{name}*").try_into().unwrap()];
    apply(&greedy).await;

    let drift = plan(&declared, &observed(&declared).await);
    let grant = |text| Acl::allow(&name, Operation::Write, Resource::Topic, Pattern::Prefixed, text);
    assert!(drift.steps.contains(&Step::Revoke(grant(name.clone()))), "{drift:?}");
    assert!(drift.steps.contains(&Step::Grant(grant(format!("{name}.")))), "{drift:?}");

    apply(&declared).await;
    let cluster = observed(&declared).await;
    let topic = &cluster.topics[&name];
    assert_eq!(topic.settings["retention.ms"], "7200000");
    assert_eq!(topic.settings["segment.bytes"], "2097152", "nobody declared it, nobody touches it");
    assert!(stranger.acls().is_subset(&cluster.acls));
    without_rules(&declared).await;
    without_rules(&stranger).await;
}

#[tokio::test]
async fn another_number_of_partitions_is_refused_and_nothing_else_is_done_either() {
    let name = testkit::unique("partitioned");
    let keyed = |partitions, retention| {
        let mut manifest = manifest(&name, partitions, retention);
        manifest.topics[0].key = Some("a key".to_owned());
        manifest
    };
    apply(&keyed(4, "2h")).await;
    for partitions in [2, 8] {
        let error = permitted(&keyed(partitions, "9h"), Permits::default()).await.unwrap_err();
        assert!(matches!(error, KafkaError::Plan(_)));
        assert!(error.to_string().contains(&format!("has 4 partitions, not {partitions}")), "{error}");
    }
    let cluster = observed(&manifest(&name, 4, "2h")).await;
    assert_eq!(cluster.topics[&name].settings["retention.ms"], "7200000");
    without_rules(&manifest(&name, 4, "2h")).await;
}

#[tokio::test]
async fn a_topic_that_somebody_else_makes_meanwhile_is_taken_as_it_is() {
    let name = testkit::unique("raced");
    let manifest = manifest(&name, 1, "2h");
    let (ours, theirs) = (admin(), admin());
    let (none, passwords) = (Permits::default(), passwords(&manifest, "a password"));
    let ours = ours.apply(&manifest, &none, &passwords);
    let (one, other) = tokio::join!(ours, theirs.apply(&manifest, &none, &passwords));
    one.unwrap();
    other.unwrap();
    assert!(plan(&manifest, &observed(&manifest).await).is_empty());
    without_rules(&manifest).await;
}

#[tokio::test]
async fn a_topic_made_by_hand_gets_its_settings() {
    let name = testkit::unique("by-hand");
    let new = NewTopic::new(&name, 1, TopicReplication::Fixed(1));
    plain_admin().create_topics([&new], &AdminOptions::new()).await.unwrap();
    let manifest = manifest(&name, 1, "3h");
    let error = permitted(&manifest, Permits::default()).await.unwrap_err().to_string();
    assert!(error.contains(&format!("--shrink-retention {name} allows it")), "{error}");
    permitted(&manifest, Permits { shrink_retention: vec![name.clone()], ..Permits::default() })
        .await
        .unwrap();
    assert_eq!(observed(&manifest).await.topics[&name].settings["retention.ms"], "10800000");
    without_rules(&manifest).await;
}

#[tokio::test]
async fn a_wrong_password_is_named_as_the_cause() {
    let mut config = config();
    config.kafka_admin_password = "wrong".to_owned();
    config.kafka_admin_timeout_ms = 3000;
    let error = KafkaAdmin::new(&config).unwrap().observe(&Manifest::committed()).await.unwrap_err();
    assert!(error.to_string().to_lowercase().contains("authentication"), "{error}");
    assert!(!format!("{config:?}").contains("wrong"));
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_named() {
    let mut config = KafkaAdminConfig::at("127.0.0.1:1", "irrelevant");
    config.kafka_admin_timeout_ms = 1000;
    let begun = std::time::Instant::now();
    let error = KafkaAdmin::new(&config).unwrap().observe(&Manifest::committed()).await.unwrap_err();
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn somebody_without_the_right_is_told_so() {
    let stack = testkit::stack();
    let password = stack.get("MILLRACE_KAFKA_PROJECTOR_PASSWORD");
    let mut config = KafkaAdminConfig::at(stack.get("MILLRACE_KAFKA_BOOTSTRAP"), password);
    config.kafka_admin_user = "projector".to_owned();
    let manifest = manifest(&testkit::unique("forbidden"), 1, "2h");
    let projector = KafkaAdmin::new(&config).unwrap();
    let (none, passwords) = (Permits::default(), Passwords::default());
    let error = projector.apply(&manifest, &none, &passwords).await.unwrap_err();
    assert!(error.to_string().to_lowercase().contains("authoriz"), "{error}");

    // What it may not see is not taken for something that is not there.
    apply(&Manifest::committed()).await;
    let error = projector.observe(&Manifest::committed()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "describing topic agents.execution.events was refused by the cluster: its settings are not shown"
    );
}
