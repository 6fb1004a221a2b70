//! What can go wrong, and with what.

/// Why something could not be done to the outbox.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A migration did not run.
    #[error("the outbox could not be migrated")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// A statement did not run.
    #[error("could not {what}")]
    Database {
        /// What was to be done to what.
        what: String,
        /// Why not.
        source: sqlx::Error,
    },
    /// The slot is there, but not for this.
    #[error(
        "replication slot {name} belongs to database {database:?} and plugin {plugin:?}, \
         not to this database and pgoutput; drop it or choose another name"
    )]
    ForeignSlot {
        /// The slot.
        name: String,
        /// The database it reads.
        database: Option<String>,
        /// The plugin it reads with.
        plugin: Option<String>,
    },
    /// The log that the slot needs is gone; what it had not read must be repaired from the event store.
    #[error("replication slot {name} is lost: the log it needs was removed (max_slot_wal_keep_size)")]
    LostSlot {
        /// The slot.
        name: String,
    },
}

impl Error {
    /// Whether somebody else is reading from the slot, if only for a moment.
    pub fn is_slot_in_use(&self) -> bool {
        let Self::Database { source: sqlx::Error::Database(error), .. } = self else { return false };
        error.code().as_deref() == Some("55006")
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
