//! Why the rules of an execution say no.

use events::ExecutionId;
use events::execution::Verdict;
use serde::Serialize;

use crate::{Ended, Unacceptable};

/// The rules say no; nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "type")]
pub enum Rejection {
    /// The execution has no past.
    #[error("the execution has not started")]
    NotStarted,
    /// It was started before, with other content.
    #[error("the execution was already started, as something else")]
    AlreadyStarted,
    /// It ended before.
    #[error("the execution has already {how}")]
    AlreadyEnded {
        /// How it ended.
        how: Ended,
    },
    /// A model call that is not the next, or a tool use of a call that is not the last.
    #[error("step {found} is out of order: expected {expected}")]
    StepOutOfOrder {
        /// The step that could be recorded now.
        expected: i32,
        /// The step that came.
        found: i32,
    },
    /// A tool cannot run before the model asked for it.
    #[error("no model call has been recorded yet")]
    NoModelCall,
    /// Work that is not handed in cannot be judged.
    #[error("the execution is still running")]
    StillRunning,
    /// Work that never was handed in cannot be judged.
    #[error("the execution {how}, so there is no work to judge")]
    NothingToJudge {
        /// How it ended.
        how: Ended,
    },
    /// Another judgement stands.
    #[error("{judge} has already judged the execution {verdict:?}")]
    AlreadyJudged {
        /// Who judged.
        judge: String,
        /// The judgement that stands.
        verdict: Verdict,
    },
    /// The command is for another execution than the one it was sent to.
    #[error("the command is for execution {found}, not for {expected}")]
    OtherExecution {
        /// The execution that was asked.
        expected: ExecutionId,
        /// The execution that the command names.
        found: ExecutionId,
    },
    /// A field that no execution could accept.
    #[error(transparent)]
    #[serde(untagged)]
    Unacceptable(#[from] Unacceptable),
}
