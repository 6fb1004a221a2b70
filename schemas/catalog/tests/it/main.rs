//! Manifest, access rules and schemas against a real broker and a real registry.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod access;
mod attempts;
mod schemas;
mod topics;

use catalog::{KafkaAdmin, KafkaAdminConfig};

fn admin() -> KafkaAdmin {
    let stack = testkit::stack();
    let password = stack.get("MILLRACE_KAFKA_ADMIN_PASSWORD");
    KafkaAdmin::new(&KafkaAdminConfig::at(stack.get("MILLRACE_KAFKA_BOOTSTRAP"), password)).unwrap()
}
