//! What a database error means for the work in hand.

use kafka::{Classify, Fault};

/// What could not be done with parked keys.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refused or could not be asked.
    #[error("cannot {action} of {projection}")]
    Sql {
        /// What was tried, such as "park records".
        action: &'static str,
        /// Whose.
        projection: String,
        /// What the database said.
        #[source]
        source: sqlx::Error,
    },
    /// Nothing is parked under this key.
    #[error("{projection} has no parked key {key:?}")]
    NotParked {
        /// Whose.
        projection: String,
        /// The key as asked for.
        key: String,
    },
    /// The owner is already asked to work on it.
    #[error("key {key:?} of {projection} is already asked to be {state}; wait until the projector answers")]
    Busy {
        /// Whose.
        projection: String,
        /// The key.
        key: String,
        /// What was asked before.
        state: String,
    },
    /// Too many redrives of it failed already.
    #[error("{attempts} redrives of key {key:?} of {projection} failed; it is left alone unless forced")]
    Exhausted {
        /// Whose.
        projection: String,
        /// The key.
        key: String,
        /// How many.
        attempts: i32,
    },
    /// A redrive is of one projection.
    #[error("a redrive has to name its projection")]
    NoProjection,
    /// A request that nobody made.
    #[error("nobody made a request {id}")]
    NoRequest {
        /// Its number.
        id: i64,
    },
    /// Whoever asks has a name.
    #[error("to ask for a parked key takes a name that is not empty")]
    Nobody,
    /// A discard and a repair need both.
    #[error("to discard or to repair takes a reason and a name, neither of them empty")]
    Unreasoned,
}

impl Classify for Error {
    fn fault(&self) -> Fault {
        match self {
            Self::Sql { source, .. } => sql_fault(source),
            _ => Fault::Fatal,
        }
    }
}

/// What an error of Postgres means: data that cannot be stored are poison, a wrong program or schema is fatal, and
/// everything else, known or not, is transient.
pub fn sql_fault(error: &sqlx::Error) -> Fault {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            match code.get(..2).unwrap_or_default() {
                // Data exceptions; integrity constraints, of check, null, unique or foreign key; limits of size.
                "22" | "23" | "54" => Fault::Poison,
                // Syntax, unknown names, missing rights; wrong password; no such database.
                "42" | "28" | "3D" | "3F" => Fault::Fatal,
                _ => Fault::Transient,
            }
        }
        sqlx::Error::Configuration(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::TypeNotFound { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::InvalidArgument(_) => Fault::Fatal,
        sqlx::Error::Encode(_) => Fault::Poison,
        _ => Fault::Transient,
    }
}
