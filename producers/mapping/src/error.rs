//! What can be wrong: with the file, or with a row.

/// A mapping file that makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum BadMapping {
    /// It is no YAML of the right shape; the message names line and column.
    #[error("{0}")]
    Shape(Box<serde_saphyr::Error>),
    /// It has the right shape and contradicts itself.
    #[error("{place}: {problem}")]
    Sense {
        /// Where in the file, such as `commands[2].with.task`.
        place: String,
        /// What is wrong there.
        problem: String,
    },
}

impl BadMapping {
    pub(crate) fn at(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Sense { place: place.into(), problem: problem.into() }
    }
}

/// A row that the mapping cannot turn into commands, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field {field}: {reason}")]
pub struct Refused {
    /// Where in the row, such as `steps[3].cost_usd`; `.` for the row as a whole.
    pub field: String,
    /// What is wrong there.
    pub reason: String,
}

impl Refused {
    pub(crate) fn whole(reason: impl Into<String>) -> Self {
        Self { field: ".".to_owned(), reason: reason.into() }
    }

    pub(crate) fn at(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }
}
