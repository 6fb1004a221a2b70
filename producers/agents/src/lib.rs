//! The reference domain: executions of AI agents, as rules without a world.
//!
//! It promises that every history [`Execution`] decides is one a reader can rely on: it begins with a start, its
//! model calls count 1, 2, 3 …, it ends at most once, and only completed work is judged. It refuses nothing that
//! really happened: a run that outspends its limits is recorded as it was. It knows no store, clock or source of
//! ids; a domain of your own replaces this crate and nothing else.

mod checks;
mod command;
mod execution;
mod rejection;

pub use command::{
    CancelExecution, CompleteExecution, ExecutionCommand, FailExecution, JudgeExecution, RecordModelCall,
    RecordToolUse, StartExecution,
};
pub use execution::{Ending, Execution, Progress};
pub use rejection::{Ended, Rejection};

#[cfg(test)]
mod properties;
#[cfg(test)]
mod stories;
