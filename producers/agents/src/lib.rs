//! The reference domain: AI agents at work, as rules without a world.
//!
//! [`Execution`] is one run of one agent. It promises that every history it decides is one a reader can rely on: it
//! begins with a start, its model calls count 1, 2, 3 …, it ends at most once, and only completed work is judged. It
//! refuses nothing that really happened: a run that outspends its limits is recorded as it was.
//!
//! Commands are JSON too: an object whose `type` is the command's name. The crate knows no store, clock or source of
//! ids; a domain of your own replaces this crate and nothing else.
//!
//! ```
//! use agents::{Execution, ExecutionCommand};
//! use aggregate::Aggregate;
//!
//! let command: ExecutionCommand = serde_json::from_str(r#"{
//!     "type": "StartExecution",
//!     "execution_id": "018f3f5e-0000-7000-8000-000000000001",
//!     "occurred_at": "2026-11-21T03:46:19Z",
//!     "task": "sympy__sympy-13798", "repository": "sympy", "model": "google/gemini", "agent": "mini-swe-agent",
//!     "cost_limit_nano_usd": 3000000000
//! }"#)?;
//! let events = Execution::default().decide(command)?;
//! assert_eq!(events.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod checks;
mod commands;
pub mod execution;

pub use checks::Unacceptable;
pub use execution::{
    CancelExecution, CompleteExecution, Ended, Ending, Execution, ExecutionCommand, FailExecution,
    JudgeExecution, Progress, RecordModelCall, RecordToolUse, Rejection, StartExecution,
};
