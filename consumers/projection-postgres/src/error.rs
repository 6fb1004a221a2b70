//! What can go wrong between the views and their database.

use dead_letters::sql_fault;
use kafka::{Classify, Fault, RowKey};

/// What was tried on which table, and why it failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is none.
    #[error("the views' URL is not a Postgres URL")]
    Url(#[source] sqlx::Error),
    /// No connection.
    #[error("cannot connect to the views' database")]
    Connect(#[source] sqlx::Error),
    /// No connection in time.
    #[error("cannot connect to the views' database: no answer in time")]
    ConnectTimeout,
    /// The database refused, or could not be asked.
    #[error("cannot {action} {table}")]
    Sql {
        /// What was tried.
        action: &'static str,
        /// Where.
        table: String,
        /// What the database said.
        #[source]
        source: sqlx::Error,
    },
    /// Offsets and epochs.
    #[error(transparent)]
    Ownership(#[from] ownership::Error),
    /// Parked keys.
    #[error(transparent)]
    DeadLetters(#[from] dead_letters::Error),
    /// A table's name has to be a plain one.
    #[error("{0:?} is not a table's name of a-z, 0-9 and _")]
    Name(String),
    /// There is none.
    #[error("there is no table {table}; are the migrations applied?")]
    NoTable {
        /// Its name.
        table: String,
    },
    /// The views are of another edition than the program.
    #[error(
        "the views of {projection} are of edition {found}, and this program makes edition {wanted}: `projections rebuild {projection}` makes it beside them; to have edition {found} written and compared, use the program that made it"
    )]
    Edition {
        /// Whose.
        projection: String,
        /// What is there.
        found: u32,
        /// What the program makes.
        wanted: u32,
    },
    /// A definition is no SQL that the database takes.
    #[error("the definition of {projection} cannot be carried out, line {line}: {text}")]
    Definition {
        /// Whose.
        projection: String,
        /// In which line of that part of it.
        line: usize,
        /// What stands there.
        text: String,
        /// What the database said.
        #[source]
        source: sqlx::Error,
    },
    /// What a definition makes cannot be kept to the rows of one tenant.
    #[error("{relation} cannot be shown to readers: {reason}")]
    Unguarded {
        /// The table or view.
        relation: String,
        /// Why.
        reason: &'static str,
    },
    /// A rebuild is under way that another program began.
    #[error(
        "edition {found} of {projection} is being made, and this program makes edition {wanted}: `projections abandon {projection}` gives up what was made so far"
    )]
    OtherRebuild {
        /// Whose views.
        projection: String,
        /// What is being made.
        found: u32,
        /// What the program makes.
        wanted: u32,
    },
    /// Somebody else came further with the same rebuild.
    #[error("somebody else rebuilds {projection} too")]
    RebuiltElsewhere {
        /// Whose views.
        projection: String,
    },
    /// What is to tell the rows apart is not there.
    #[error("{table} has no column {column} to tell its rows apart by")]
    NoKey {
        /// Its name.
        table: String,
        /// What it lacks.
        column: String,
    },
    /// The table lacks a column that every view table has.
    #[error("table {table} lacks the column {column} that every view table has")]
    NoStandardColumn {
        /// Its name.
        table: String,
        /// What it lacks.
        column: &'static str,
    },
    /// The table and the view are of different editions.
    #[error(
        "table {table} and its view differ: fields without a column: {without_column:?}; columns without a field: {without_field:?}"
    )]
    Columns {
        /// Its name.
        table: String,
        /// Fields of the view that the table does not have.
        without_column: Vec<String>,
        /// Columns of the table that the view does not have.
        without_field: Vec<String>,
    },
    /// The totals table does not have the contribution's columns.
    #[error("table {table} is to sum {expected:?} by {by:?}, but the contribution is of {found:?}")]
    Totals {
        /// Its name.
        table: String,
        /// Its sums.
        expected: Vec<String>,
        /// Its grouping keys.
        by: Vec<String>,
        /// What the view contributes.
        found: Vec<String>,
    },
    /// A sum left the range of a 64-bit integer.
    #[error("the total {amount} of {table} overflows")]
    Overflow {
        /// The table.
        table: String,
        /// Which sum.
        amount: &'static str,
    },
    /// The view does not become a flat document.
    #[error("the view of {table} cannot be written as a row")]
    Form {
        /// The table.
        table: String,
        /// Why.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A row that is not what the view says.
    #[error("the row of {table} for {} of {} cannot be read as its view", key.aggregate_id, key.tenant)]
    Row {
        /// The table.
        table: String,
        /// Which row.
        key: RowKey,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A row was not written although it had to be; the transaction was rolled back.
    #[error("a row of {table} stands at another version than was read: {found}")]
    NotWritten {
        /// The table.
        table: String,
        /// Which row, and its version.
        found: String,
    },
}

impl Error {
    /// What was tried on a table, or on what else the database was asked of, for its error.
    pub(crate) fn sql<S: Into<sqlx::Error>>(action: &'static str, table: &str) -> impl Fn(S) -> Self + Copy {
        move |source| Self::Sql { action, table: table.to_owned(), source: source.into() }
    }

    /// Whether the database gave up after the time that a statement may take.
    pub fn is_too_slow(&self) -> bool {
        matches!(self, Self::Sql { source: sqlx::Error::Database(error), .. } if error.code().as_deref() == Some("57014"))
    }
}

impl Classify for Error {
    fn fault(&self) -> Fault {
        match self {
            Self::Connect(source) | Self::Sql { source, .. } => sql_fault(source),
            Self::Ownership(error) => sql_fault(&error.source),
            Self::DeadLetters(error) => error.fault(),
            // Somebody else wrote the row: what is in memory is not what is there, so it is read again.
            Self::ConnectTimeout | Self::NotWritten { .. } => Fault::Transient,
            Self::Overflow { .. } => Fault::Poison,
            _ => Fault::Fatal,
        }
    }
}
