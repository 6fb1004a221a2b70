//! The closed sets of words that views use.

use std::fmt;

use events::execution;
use serde::{Deserialize, Serialize};

/// Where an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The agent is at work.
    Running,
    /// It handed in its work.
    Completed,
    /// It broke off by itself.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        })
    }
}

/// What was thought of the work of a completed execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It does what was asked.
    Resolved,
    /// It does not.
    Unresolved,
    /// A verdict that was new to the program that folded it.
    Unknown,
}

impl From<execution::Verdict> for Verdict {
    fn from(verdict: execution::Verdict) -> Self {
        match verdict {
            execution::Verdict::Resolved => Self::Resolved,
            execution::Verdict::Unresolved => Self::Unresolved,
            execution::Verdict::Unknown => Self::Unknown,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolved => "resolved",
            Self::Unresolved => "unresolved",
            Self::Unknown => "unknown",
        })
    }
}

/// One spelling for one model: sources write `google/gemini-3-pro-preview` and `@google/gemini-3-pro-preview` (the
/// latter where a provider's alias was asked for) and mean the same; the leading `@` is dropped.
pub fn model_name(model: &str) -> &str {
    model.strip_prefix('@').unwrap_or(model)
}
