//! Why the rules of an execution say no.

use std::fmt;

use events::ExecutionId;
use events::execution::Verdict;

/// How an execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The agent handed in its work.
    Completed,
    /// It broke off by itself.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        })
    }
}

/// The rules say no; nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
    /// A verdict this program cannot record, since it does not know what it means.
    #[error("the verdict is neither resolved nor unresolved")]
    UnknownVerdict,
    /// The command is for another execution than the one it was sent to.
    #[error("the command is for execution {found}, not for {expected}")]
    OtherExecution {
        /// The execution that was asked.
        expected: ExecutionId,
        /// The execution that the command names.
        found: ExecutionId,
    },
    /// A number that cannot be.
    #[error("{field} is {value}, but at least {min} is needed")]
    TooSmall {
        /// The command's field.
        field: &'static str,
        /// What it says.
        value: i64,
        /// The least it may say.
        min: i64,
    },
    /// A text that cannot be stored or means nothing.
    #[error("{field} {problem}")]
    BadText {
        /// The command's field.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A time outside the years 1 to 9999, which not every reader could read.
    #[error("occurred_at is {micros} microseconds since 1970, which is outside the years 1 to 9999")]
    TimeOutOfRange {
        /// Microseconds since 1970.
        micros: i64,
    },
}
