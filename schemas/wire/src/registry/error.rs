//! What can go wrong with a registry.

use std::sync::Arc;

/// A registry's refusal, or its absence. Cheap to clone: everybody who waited for one request gets its outcome.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegistryError {
    /// The configuration cannot work.
    #[error("the registry address {url:?} cannot be used: {reason}")]
    Address {
        /// What was configured.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The folder for what the registry said cannot be made.
    #[error("{path} cannot hold what the registry says: {reason}")]
    Cache {
        /// What was configured.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It said so in its own words; nothing else counts as not found.
    #[error("the registry has no schema with id {id}")]
    NotFound {
        /// What was asked for.
        id: u32,
    },
    /// The subject does not have this schema, or does not exist.
    #[error("the registry does not have this schema under subject {subject}")]
    NotRegistered {
        /// Where it was looked for.
        subject: String,
    },
    /// The registry has it, but no event can be written with it.
    #[error("schema {id} of the registry cannot be used: {reason}")]
    Unusable {
        /// Which one.
        id: u32,
        /// What is wrong with it.
        reason: String,
    },
    /// The schema breaks the promise to older or newer programs.
    #[error("the registry refuses the schema for subject {subject} as incompatible: {reason}")]
    Incompatible {
        /// Where it should go.
        subject: String,
        /// The registry's words.
        reason: String,
    },
    /// The registry does not understand the schema.
    #[error("the registry refuses the schema for subject {subject} as invalid: {reason}")]
    Invalid {
        /// Where it should go.
        subject: String,
        /// The registry's words.
        reason: String,
    },
    /// Anything else: down, slow, restarting, behind a broken proxy.
    #[error("the registry could not {action}")]
    Unavailable {
        /// What it was asked to do.
        action: String,
        /// What happened.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

impl RegistryError {
    /// Whether the same request may succeed later with nobody doing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}
