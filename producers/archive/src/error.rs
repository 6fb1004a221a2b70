//! What can go wrong, and with what.

use std::path::PathBuf;

use events::AggregateId;

/// Why something could not be done with the store as files.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error("could not {what} {path}")]
    Files {
        /// What was to be done.
        what: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Something is there already.
    #[error("{0} exists already; choose another name")]
    Exists(PathBuf),
    /// An earlier run was killed here, or another one is at work.
    #[error("{0} was left by a run that did not end; remove it, unless that run still works")]
    Unfinished(PathBuf),
    /// There is no folder of this kind.
    #[error("{path} is no finished backup or archive: {reason}")]
    NotAFolder {
        /// Where one was expected.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// A file is not what was written.
    #[error("{path} is damaged: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// The folder is of the wrong kind.
    #[error("{path} is {found}, not {expected}")]
    OtherKind {
        /// The folder.
        path: PathBuf,
        /// What it is.
        found: &'static str,
        /// What it had to be.
        expected: &'static str,
    },
    /// A statement did not run.
    #[error("could not {what}")]
    Database {
        /// What was to be done.
        what: String,
        /// Why not.
        source: sqlx::Error,
    },
    /// The database said something that this program does not understand.
    #[error("the database's copy of {what} is unreadable: {reason}")]
    Unreadable {
        /// What was copied.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A schema that payloads need could not be fetched.
    #[error("the text of schema {id}, which events were written with, could not be fetched")]
    Schema {
        /// Its id in the registry.
        id: u32,
        /// What the registry said.
        source: wire::RegistryError,
    },
    /// The database is not ready to take a backup back.
    #[error("the database cannot take this backup: {0}")]
    NotReady(String),
    /// Two places should have the same events, and have not.
    #[error("{place} is not what {other} has: {difference}")]
    Differs {
        /// The one.
        place: String,
        /// The other.
        other: String,
        /// What is different.
        difference: String,
    },
    /// An aggregate cannot be archived as asked.
    #[error("aggregate {aggregate_id} cannot be archived: {reason}")]
    NotArchivable {
        /// Which.
        aggregate_id: AggregateId,
        /// Why not.
        reason: String,
    },
    /// A thread of this program ended before its work.
    #[error("the work on files ended by itself")]
    Ended,
}

/// Names the file for which an operation failed.
pub(crate) trait OnFile<T> {
    fn on(self, what: &'static str, path: &std::path::Path) -> Result<T, Error>;
}

impl<T> OnFile<T> for std::io::Result<T> {
    fn on(self, what: &'static str, path: &std::path::Path) -> Result<T, Error> {
        self.map_err(|source| Error::Files { what, path: path.to_owned(), source })
    }
}

/// Names what was being done when a statement failed.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl Into<String>) -> Result<T, Error>;
}

impl<T> Doing<T> for Result<T, sqlx::Error> {
    fn doing(self, what: impl Into<String>) -> Result<T, Error> {
        self.map_err(|source| Error::Database { what: what.into(), source })
    }
}
