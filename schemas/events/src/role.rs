//! What agents are for one another.

use serde::{Deserialize, Serialize};

/// What an agent does in a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AgentRole {
    /// Says how the goal is to be reached.
    Planner,
    /// Does the work.
    Coder,
    /// Judges it.
    Critic,
    /// A role this program does not know; the schemas' default.
    #[serde(other)]
    Unknown,
}
