//! The reference domain: AI agents at work, as rules without a world.
//!
//! [`Execution`] is one run of one agent. It promises that every history it decides is one a reader can rely on: it
//! begins with a start, its model calls count 1, 2, 3 …, it ends at most once, and only completed work is judged. It
//! refuses nothing that could really have happened: a run that outspends its limits is recorded as it was.
//!
//! [`Workflow`] is work that agents do together: a planner plans, a coder works, a critic judges and may send the work back
//! a bounded number of times. Each step names the execution that does it, and is paid for from money that was reserved
//! before. [`Prompt`] is what an agent is told: versions that are never changed, of which at most one is followed.
//!
//! Whoever drives an aggregate may retry: a command that is repeated before any other is accepted changes nothing. Two
//! repetitions are not known as such: [`RecordToolUse`] has no identity, because a model call may ask for the
//! same tool twice, so each one is a fact; and what says how something shall be from now on
//! ([`ActivatePrompt`], [`DeactivatePrompt`], [`RenamePrompt`], [`DescribePrompt`])
//! is a new wish once another was granted. Whoever cannot rule those out sends an idempotency key along. Any other
//! repetition, however late, changes nothing or is refused with a reason. A repetition is told by who, when and what: the
//! words of a workflow's step are not compared.
//!
//! Nothing grows without bound: texts, amounts, revisions and attempts have each a limit, and what exceeds it is refused
//! by name ([`Unacceptable`]); tokens and costs of a run add up to less than 2^53, which every reader holds exactly.
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
mod ended;
pub mod execution;
pub mod prompt;
pub mod workflow;

pub use checks::Unacceptable;
pub use ended::Ended;
// Of each aggregate the rules and the commands; what it remembers and why it says no are in its module.
pub use execution::{
    CancelExecution, CompleteExecution, Execution, ExecutionCommand, FailExecution, JudgeExecution,
    RecordModelCall, RecordToolUse, StartExecution,
};
pub use prompt::{
    ActivatePrompt, AddPromptVersion, CreatePrompt, DeactivatePrompt, DescribePrompt, Prompt, PromptCommand,
    RenamePrompt, RetirePrompt,
};
pub use workflow::{
    ApproveWork, AssignStep, CancelWorkflow, CompleteWorkflow, DraftPlan, FailStep, FailWorkflow,
    ReleaseBudget, RequestRevision, ReserveBudget, SettleBudget, StartWorkflow, SubmitWork, Workflow,
    WorkflowCommand,
};

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
