//! Manifest, access rules and schemas against a real broker and a real registry.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod access;
mod attempts;
mod contract;
mod evolution;
mod exported;
mod matrix;
mod permits;
mod plan_files;
mod quotas;
mod schemas;
mod topics;
mod users;

use catalog::{Cluster, KafkaAdmin, KafkaAdminConfig, KafkaError, Manifest, Passwords, Permits, Plan};
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;

fn config() -> KafkaAdminConfig {
    let stack = testkit::stack();
    let password = stack.get("MILLRACE_KAFKA_ADMIN_PASSWORD");
    KafkaAdminConfig::at(stack.get("MILLRACE_KAFKA_BOOTSTRAP"), password)
}

fn admin() -> KafkaAdmin {
    KafkaAdmin::new(&config()).unwrap()
}

/// As somebody who knows nothing of this project.
fn plain_admin() -> AdminClient<DefaultClientContext> {
    testkit::stack().kafka("admin").create().unwrap()
}

async fn observed(manifest: &Manifest) -> Cluster {
    admin().observe(manifest).await.unwrap()
}

/// This password for every user of the manifest.
fn passwords(manifest: &Manifest, password: &str) -> Passwords {
    let users = manifest.users.iter();
    Passwords::among(users.map(|user| (Passwords::variable(&user.name), password.to_owned())))
}

/// Applies without any permit; new users get a password that nobody uses.
async fn apply(manifest: &Manifest) -> Plan {
    permitted(manifest, Permits::default()).await.unwrap()
}

async fn permitted(manifest: &Manifest, permits: Permits) -> Result<Plan, KafkaError> {
    admin().apply(manifest, &permits, &passwords(manifest, "a password")).await
}

/// A topic and a user that no other test has.
fn manifest(name: &str, partitions: u32, retention: &str) -> Manifest {
    let text = format!(
        "
topics:
  - name: {name}
    purpose: A test.
    owner: tests
    partitions: {partitions}
    partitions_reason: A test.
    replicas: 3
    min_in_sync_replicas: 2
    retention: {retention}
    consumers: []
users:
  - name: {name}
    purpose: A test.
    reads: [{name}]
    writes: [{name}.*]
    describes_configs: [{name}]
    groups: [{name}-*]
"
    );
    Manifest::parse(&text, "test").unwrap()
}

/// Leaves no rules behind; topics go with the stack.
async fn without_rules(manifest: &Manifest) {
    let mut bare = manifest.clone();
    for user in &mut bare.users {
        (user.reads, user.writes, user.describes_configs, user.groups) = Default::default();
    }
    apply(&bare).await;
    let left = observed(manifest).await.acls;
    assert!(left.iter().all(|acl| !manifest.principals().contains(&acl.principal)));
}
