//! What happens to stored events besides being appended and read.
//!
//! A [`Steward`] erases data subjects, rotates master keys, removes tenants, says which streams are due for an archive,
//! and tells how the store is. It promises:
//!
//! - every deed is audited in the transaction that does it, with who and why ([`event_store::Deed`]);
//! - every deed can be repeated, and goes on where a killed one stopped;
//! - no deed touches another tenant's rows, whatever it does to one's own;
//! - an erased event stays: it is counted, replayed (`[erased]`) and verified as before.
//!
//! It does not know domains: who can write an aggregate's withdrawal, or read a payload, is handed in. Moving events
//! to files is the archive's work; this crate only says which.

mod audit;
mod check;
mod config;
mod erasure;
mod error;
mod removal;
mod retention;
mod rotation;
mod statistics;
mod stream_metadata;

pub use audit::Audited;
pub use check::{Payload, Violation};
pub use config::OwnerConfig;
pub use erasure::{Erasure, Unreadable};
pub use error::Error;
pub use removal::{Purged, Removal, Stream, Withdrawn};
pub use retention::{Due, Policy, PolicyError, Rule};
pub use rotation::Rotated;
pub use statistics::{Appends, Kept, Keys, Left, Statistics, StreamSize, TableSize};
pub use stream_metadata::{SetMetadata, StreamMetadata};

use sqlx::PgPool;

/// Keeps a store in order: as `owner` where something is done, as `auditor` where all tenants are looked at.
#[derive(Debug, Clone)]
pub struct Steward {
    owner: PgPool,
    auditor: PgPool,
}

impl Steward {
    /// A steward with these connections, made by [`OwnerConfig::connect`] and [`event_store::AuditConfig::connect`].
    pub fn new(owner: PgPool, auditor: PgPool) -> Self {
        Self { owner, auditor }
    }
}
