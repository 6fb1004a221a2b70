//! What can go wrong beside a bad row.

use std::path::PathBuf;

use event_store::{CodecError, StoreError};
use events::AggregateId;

/// The import as a whole failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be opened.
    #[error("failed to open {}", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The source ended before its end.
    #[error("failed to read {name} at line {line}")]
    Read {
        /// Which source.
        name: String,
        /// How far it was read.
        line: u64,
        /// Why no further.
        source: std::io::Error,
    },
    /// A CSV file has other columns than the mapping declares.
    #[error("the header of {} is not what the mapping declares: {problems}", path.display())]
    Header {
        /// Which file.
        path: PathBuf,
        /// What differs.
        problems: String,
    },
    /// The mapping is for a query.
    #[error("the mapping reads a database, so the source is the URL of one")]
    WantsDatabase,
    /// The mapping is for a file.
    #[error("the mapping reads a file, so the source is the path of one")]
    WantsFile,
    /// A database did not do what it was asked.
    #[error("failed to {what}")]
    Database {
        /// What was to be done.
        what: &'static str,
        /// Why not.
        source: sqlx::Error,
    },
    /// Nobody decides for aggregates of this type.
    #[error("the mapping makes aggregates of type {found:?}, this program knows {known}")]
    UnknownAggregate {
        /// What the mapping says.
        found: String,
        /// What there is.
        known: String,
    },
    /// Events were not stored, and it is no row's fault.
    #[error("the events of aggregate {aggregate_id} were not stored")]
    Append {
        /// The first of the append.
        aggregate_id: AggregateId,
        /// Why not.
        source: Box<event_store::AppendError>,
    },
    /// A row's events cannot be sealed.
    #[error("the events of aggregate {aggregate_id} cannot be written")]
    Seal {
        /// Whose.
        aggregate_id: AggregateId,
        /// Why not.
        source: Box<event_store::NewEventError>,
    },
    /// Stored events were not loaded.
    #[error("the stored events of aggregate {aggregate_id} were not loaded")]
    Load {
        /// Whose.
        aggregate_id: AggregateId,
        /// Why not.
        source: StoreError,
    },
    /// A stored event cannot be read.
    #[error(transparent)]
    Decode(#[from] CodecError),
    /// Somebody ended the run, or rolls it back.
    #[error("run {run} is not running any more")]
    NotRunning {
        /// Which.
        run: uuid::Uuid,
    },
    /// An aggregate cannot be withdrawn.
    #[error("aggregate {aggregate_id} cannot be withdrawn: {reason}")]
    Withdraw {
        /// Which.
        aggregate_id: AggregateId,
        /// Why not.
        reason: String,
    },
    /// A task of the run panicked.
    #[error("a part of the run broke off")]
    Broken(#[source] tokio::task::JoinError),
}
