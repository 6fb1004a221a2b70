//! Users come to be with the password that was given, and get another when told so.

use catalog::{KafkaAdmin, KafkaError, Manifest, Passwords, Permits};
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::{admin, config, manifest, observed, passwords, without_rules};

/// Whether the user gets as far as reading its topic's name.
async fn logs_in(manifest: &Manifest, password: &str) -> bool {
    let mut config = testkit::stack().kafka("admin");
    let (user, topic) = (&manifest.users[0].name, manifest.topics[0].name.clone());
    config.set("sasl.username", user).set("sasl.password", password);
    let described = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = config.create().unwrap();
        consumer.fetch_metadata(Some(&topic), std::time::Duration::from_secs(20)).unwrap().topics()[0].error()
    });
    described.await.unwrap().is_none()
}

/// What the broker says to a user with this password, who is no administrator.
async fn told(manifest: &Manifest, password: &str) -> String {
    let mut config = config();
    config.kafka_admin_user.clone_from(&manifest.users[0].name);
    config.kafka_admin_password = password.to_owned();
    config.kafka_admin_timeout_ms = 3000;
    KafkaAdmin::new(&config).unwrap().observe(manifest).await.unwrap_err().to_string().to_lowercase()
}

#[tokio::test]
async fn a_user_is_created_and_its_password_changes_only_when_told_so() {
    let manifest = manifest(&testkit::unique("user"), 1, "2h");
    let name = manifest.users[0].name.clone();
    let none = Permits::default();
    admin().apply(&manifest, &none, &passwords(&manifest, "the first")).await.unwrap();
    assert!(observed(&manifest).await.users.contains(&name));
    assert!(logs_in(&manifest, "the first").await);

    let untold = admin().apply(&manifest, &none, &passwords(&manifest, "the second")).await.unwrap();
    assert!(untold.steps.is_empty());
    assert!(logs_in(&manifest, "the first").await);

    let rotate = Permits { rotate_password: vec![name], ..none };
    let rotated = admin().apply(&manifest, &rotate, &passwords(&manifest, "the second")).await.unwrap();
    assert_eq!(rotated.steps.len(), 1);
    assert!(logs_in(&manifest, "the second").await);
    let refused = told(&manifest, "the first").await;
    assert!(refused.contains("authentication"), "{refused}");
    without_rules(&manifest).await;
}

#[tokio::test]
async fn without_its_password_no_user_is_created_and_nothing_else_is_done_either() {
    let manifest = manifest(&testkit::unique("nameless"), 1, "2h");
    let error = admin().apply(&manifest, &Permits::default(), &Passwords::default()).await.unwrap_err();
    assert!(matches!(error, KafkaError::Password(_)), "{error}");
    assert!(error.to_string().contains(&Passwords::variable(&manifest.users[0].name)), "{error}");
    let cluster = observed(&manifest).await;
    assert!(cluster.topics.is_empty() && cluster.acls.is_disjoint(&manifest.acls()));
}
