//! Topics, users, access rules and schemas as declared, and the act of making it so.
//!
//! [`Manifest`] is `schemas/topics.yaml`; [`plan`] compares it with a [`Cluster`] as observed and says what would
//! change; [`KafkaAdmin::apply`] changes it, again and again to the same end. [`publish`] registers the schemas of
//! a set of events under the rule that every version reads every other.
//!
//! It promises to touch nothing that the manifest does not name, to delete, shorten or regrow nothing without a
//! [`Permits`] for that very thing, and never to remove partitions. It does not know what is in the topics; that is
//! `wire`'s business.
//!
//! ```
//! use catalog::{Cluster, Manifest, Permits, plan};
//!
//! let manifest = Manifest::committed();
//! let to_do = plan(&manifest, &Cluster::empty(1), &Permits::default());
//! assert!(to_do.refusals.is_empty());
//! assert!(to_do.steps.iter().any(|step| step.to_string().starts_with("create topic agents.execution.events")));
//! ```

mod acl;
mod cluster;
mod documents;
mod export;
mod kafka;
mod manifest;
mod passwords;
mod permits;
mod plan;
mod plan_file;
mod publish;
mod retention;
mod schemas;

pub use acl::{Acl, Operation, Pattern, Permission, Resource};
pub use cluster::{Cluster, Observed, TopicState};
pub use documents::{asyncapi, catalogue};
pub use export::{Exported, export};
pub use kafka::{KafkaAdmin, KafkaAdminConfig, KafkaError, Security};
pub use manifest::{
    Cleanup, Manifest, ManifestError, NamePattern, Quotas, Retired, Timestamps, Topic, TopicFinding, User,
};
pub use passwords::{PasswordError, Passwords};
pub use permits::Permits;
pub use plan::{Keeps, Kept, Plan, Refusal, Step, plan};
pub use plan_file::{PlanFile, PlanFileError};
pub use publish::{PublishError, Published, publish, publish_history, publish_tree};
pub use retention::Retention;
pub use schemas::{
    Break, Checked, Direction, Finding, FreezeError, Frozen, LiveSchemas, Reason, Record, Rule, SchemaFile,
    Tree, TreeError, breaks, check, compare_with_registry, freeze, lint,
};

/// SHA-256 of a value's JSON, in hexadecimal.
fn digest(value: &impl serde::Serialize) -> String {
    use sha2::Digest;
    let json = serde_json::to_vec(value).expect("maps with texts as keys, and numbers, are always JSON");
    sha2::Sha256::digest(json).iter().map(|byte| format!("{byte:02x}")).collect()
}
