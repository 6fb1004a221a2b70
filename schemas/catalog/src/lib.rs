//! Topics, users, access rules and schemas as declared, and the act of making it so.
//!
//! [`Manifest`] is `schemas/topics.yaml`; [`plan`] compares it with a [`Cluster`] as observed and says what would
//! change; [`KafkaAdmin::apply`] changes it, again and again to the same end. [`publish`] registers the schemas of
//! a set of events under the rule that every version reads every other.
//!
//! It promises to touch nothing that the manifest does not name, never to delete a topic, and never to change a
//! number of partitions: keys would move, and the order of an aggregate's events with them. It does not know what is
//! in the topics; that is `wire`'s business.
//!
//! ```
//! use catalog::{Cluster, Manifest, plan};
//!
//! let manifest = Manifest::committed();
//! let to_do = plan(&manifest, &Cluster::empty(1));
//! assert!(to_do.refusals.is_empty());
//! assert!(to_do.steps.iter().any(|step| step.to_string().starts_with("create topic agents.execution.events")));
//! ```

mod acl;
mod cluster;
mod documents;
mod kafka;
mod manifest;
mod plan;
mod publish;
mod retention;
mod schemas;

pub use acl::{Acl, Operation, Pattern, Permission, Resource};
pub use cluster::{Cluster, TopicState};
pub use documents::{asyncapi, catalogue};
pub use kafka::{KafkaAdmin, KafkaAdminConfig, KafkaError, Security};
pub use manifest::{Cleanup, Manifest, ManifestError, NamePattern, Timestamps, Topic, User};
pub use plan::{Plan, Refusal, Step, plan};
pub use publish::{PublishError, Published, publish, publish_history, publish_tree};
pub use retention::Retention;
pub use schemas::{
    Break, Checked, Direction, Finding, FreezeError, Frozen, LiveSchemas, Reason, Record, Rule, SchemaFile,
    Tree, TreeError, breaks, check, compare_with_registry, freeze, lint,
};
