//! What can go wrong, and with what.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::Finding;

/// Why a connector is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is no connector.
    #[error("{file} {reason}")]
    File {
        /// Which file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No HTTP client can be made.
    #[error("no HTTP client could be made")]
    Client(#[source] reqwest::Error),
    /// Connect did not answer.
    #[error("Connect at {url} did not answer when asked to {what}")]
    Unreachable {
        /// Where it should be.
        url: String,
        /// What it was asked.
        what: String,
        /// Why not.
        source: reqwest::Error,
    },
    /// Connect said no.
    #[error("Connect refused to {what} ({status}): {message}")]
    Refused {
        /// What it was asked.
        what: String,
        /// The HTTP status.
        status: u16,
        /// What it said.
        message: String,
    },
    /// Connect found mistakes in the settings; nothing was changed.
    #[error("connector {name} has mistakes:{}", list(.fields))]
    Invalid {
        /// Which connector.
        name: String,
        /// The mistakes, by setting.
        fields: Vec<FieldErrors>,
    },
    /// The settings would not do what they seem to; nothing was changed.
    #[error("connector {name} has settings that nobody knows:{}", list(.findings))]
    Unknown {
        /// Which connector.
        name: String,
        /// The settings.
        findings: Vec<Finding>,
    },
    /// A connector or one of its tasks gave up.
    #[error("connector {name} failed: {reason}")]
    Failed {
        /// Which connector.
        name: String,
        /// The first lines of what it said.
        reason: String,
    },
    /// It does not run yet.
    #[error("connector {name} does not run after {} s: {seen}", .waited.as_secs())]
    NotRunning {
        /// Which connector.
        name: String,
        /// How long it was waited for.
        waited: Duration,
        /// What was true at the end.
        seen: String,
    },
    /// The caller's own condition could not be looked at.
    #[error("whether connector {name} is ready could not be told")]
    Ready {
        /// Which connector.
        name: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// What is wrong with one setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldErrors {
    /// The setting.
    pub field: String,
    /// What Connect says of it.
    pub errors: Vec<String>,
}

impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.errors.join("; "))
    }
}

fn list(items: &[impl fmt::Display]) -> String {
    items.iter().map(|item| format!("\n  {item}")).collect()
}
