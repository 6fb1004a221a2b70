//! What can go wrong.

use event_store::AppendError;
use events::{AggregateId, TenantId};

/// Why a deed was not done, or not to its end. Doing it again goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A statement did not run.
    #[error("could not {what}")]
    Database {
        /// What was to be done.
        what: &'static str,
        /// Why not.
        source: sqlx::Error,
    },
    /// A row is not what this program would have written.
    #[error("could not {what}: {reason}")]
    Unreadable {
        /// What was to be done.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The keys cannot be unwrapped or wrapped.
    #[error("could not rotate the keys of tenant {tenant}")]
    Keys {
        /// Whose.
        tenant: TenantId,
        /// Why not.
        source: personal_data::Error,
    },
    /// A stream's withdrawal cannot be written.
    #[error("aggregate {aggregate_id} ({aggregate_type}) was not withdrawn: {reason}")]
    NotWithdrawn {
        /// Which.
        aggregate_id: AggregateId,
        /// Its type.
        aggregate_type: String,
        /// Why not.
        reason: String,
    },
    /// Withdrawals were not appended.
    #[error("the withdrawals of tenant {tenant} were not appended")]
    Append {
        /// Whose.
        tenant: TenantId,
        /// Why not.
        source: AppendError,
    },
    /// Appends that began before the removal hold it up.
    #[error("appends that began before the removal of tenant {0} have not ended; do it again later")]
    StillAppending(TenantId),
    /// The first step of a removal is not done.
    #[error("tenant {0} was not withdrawn; do that first")]
    NotYetWithdrawn(TenantId),
    /// The withdrawals are still on their way.
    #[error(
        "the withdrawals of tenant {tenant} are not delivered: slot {slot} has confirmed {confirmed}, they end at {withdrawn}"
    )]
    NotDelivered {
        /// Whose.
        tenant: TenantId,
        /// The replication slot that carries the outbox.
        slot: String,
        /// Up to where its reader has everything; `nothing` if there is no such slot.
        confirmed: String,
        /// Where the log was when the last withdrawal was stored.
        withdrawn: String,
    },
}

/// Names what was being done when a statement failed.
pub(crate) trait Doing<T> {
    fn doing(self, what: &'static str) -> Result<T, Error>;
}

impl<T> Doing<T> for Result<T, sqlx::Error> {
    fn doing(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Database { what, source })
    }
}
