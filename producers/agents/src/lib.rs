//! The reference domain: AI agents at work, as rules without a world.
//!
//! [`Execution`] is one run of one agent. It promises that every history it decides is one a reader can rely on: it
//! begins with a start, its model calls count 1, 2, 3 …, it ends at most once, and only completed work is judged. It
//! refuses nothing that really happened: a run that outspends its limits is recorded as it was.
//!
//! [`Workflow`] is work that agents do together: a planner plans, a coder works, a critic judges and may send the work back
//! a bounded number of times. Each step names the execution that does it, and is paid for from money that was reserved
//! before. [`Prompt`] is what an agent is told: versions that are never changed, of which at most one is followed.
//!
//! A command that is repeated changes nothing, or is refused with a reason: whoever drives an aggregate may retry.
//! Whatever happened to an aggregate, its withdrawal makes it as new.
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
pub mod prompt;
pub mod workflow;

pub use checks::Unacceptable;
pub use execution::{
    CancelExecution, CompleteExecution, Ended, Ending, Execution, ExecutionCommand, FailExecution,
    JudgeExecution, Progress, RecordModelCall, RecordToolUse, Rejection, StartExecution,
};
pub use prompt::{Prompt, PromptCommand};
pub use workflow::{Workflow, WorkflowCommand};

/// Expands a block once per aggregate of this domain, `$A` being its type; the twin of `events::each_event_set`.
///
/// ```
/// use aggregate::Aggregate;
/// use events::DomainEvent;
///
/// let mut types = Vec::new();
/// agents::each_aggregate!(A => { types.push(<A as Aggregate>::Event::AGGREGATE_TYPE) });
/// assert_eq!(types, ["execution", "workflow", "prompt"]);
/// ```
#[macro_export]
macro_rules! each_aggregate {
    ($A:ident => $body:block) => {{
        type $A = $crate::Execution;
        $body
    }
    {
        type $A = $crate::Workflow;
        $body
    }
    {
        type $A = $crate::Prompt;
        $body
    }};
}

#[cfg(test)]
mod laws;
