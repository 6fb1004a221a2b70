//! Why the rules of a prompt say no.

use events::PromptId;
use serde::Serialize;

use crate::Unacceptable;

/// The rules say no; nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "type")]
pub enum Rejection {
    /// The prompt has no past.
    #[error("the prompt has not been created")]
    NotCreated,
    /// It was created before, with other content.
    #[error("the prompt was already created, as something else")]
    AlreadyCreated,
    /// It is history.
    #[error("the prompt is retired")]
    Retired,
    /// A version that is not the next.
    #[error("version {found} is out of order: expected {expected}")]
    VersionOutOfOrder {
        /// The version that could be added now.
        expected: i32,
        /// The version that came.
        found: i32,
    },
    /// A version that was never added cannot be followed.
    #[error("the prompt has no version {found}: its last is {last}")]
    NoVersion {
        /// The last there is; 0: none.
        last: i32,
        /// The version that was named.
        found: i32,
    },
    /// Another version is the active one.
    #[error("version {active} is active, not {found}")]
    OtherActive {
        /// The version that agents follow.
        active: i32,
        /// The version that was named.
        found: i32,
    },
    /// What agents follow cannot become history.
    #[error("version {active} is still active")]
    StillActive {
        /// The version that agents follow.
        active: i32,
    },
    /// The command is for another prompt than the one it was sent to.
    #[error("the command is for prompt {found}, not for {expected}")]
    OtherPrompt {
        /// The prompt that was asked.
        expected: PromptId,
        /// The prompt that the command names.
        found: PromptId,
    },
    /// A field that no prompt could accept.
    #[error(transparent)]
    #[serde(untagged)]
    Unacceptable(#[from] Unacceptable),
}
