//! Why the rules of a workflow say no.

use events::{AgentRole, ExecutionId, NanoUsd, WorkflowId};
use serde::Serialize;

use super::Phase;
use crate::{Ended, Unacceptable};

/// The rules say no; nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "type")]
pub enum Rejection {
    /// The workflow has no past.
    #[error("the workflow has not started")]
    NotStarted,
    /// It was started before, with other content.
    #[error("the workflow was already started, as something else")]
    AlreadyStarted,
    /// It ended before.
    #[error("the workflow has already {how}")]
    AlreadyEnded {
        /// How it ended.
        how: Ended,
    },
    /// The next step is another agent's.
    #[error("the step of a {found:?} is out of order: the workflow is {phase}")]
    RoleOutOfOrder {
        /// Where the workflow stands.
        phase: Phase,
        /// Whose step it would be.
        found: AgentRole,
    },
    /// The step is for another revision than the one in hand.
    #[error("revision {found} is out of order: expected {expected}")]
    RevisionOutOfOrder {
        /// The revision in hand.
        expected: i32,
        /// The revision that came.
        found: i32,
    },
    /// Somebody else has the step.
    #[error("execution {execution_id} has the step")]
    StepTaken {
        /// Who has it.
        execution_id: ExecutionId,
    },
    /// The step was given to so many executions, and each of them broke off.
    #[error("the step was tried {max} times, which is as often as it can be")]
    TooManyAttempts {
        /// How often a step can be given.
        max: usize,
    },
    /// The execution has no step here.
    #[error("execution {execution_id} was given no step")]
    NotAssigned {
        /// Who says to have done something.
        execution_id: ExecutionId,
    },
    /// The execution had its step, and that ended otherwise.
    #[error("execution {execution_id} has done with its step, otherwise")]
    StepDone {
        /// Who had it.
        execution_id: ExecutionId,
    },
    /// More than is left of the budget.
    #[error("{asked} is more than the {free} that are left of the budget")]
    BudgetExceeded {
        /// What is left.
        free: NanoUsd,
        /// What was asked for.
        asked: NanoUsd,
    },
    /// Nothing is set aside for the execution, or nothing any more.
    #[error("nothing is reserved for execution {execution_id}")]
    NothingReserved {
        /// Who would spend.
        execution_id: ExecutionId,
    },
    /// Something else was set aside for it before, or the account is closed.
    #[error("execution {execution_id} has another reservation, or had one")]
    OtherReservation {
        /// Whose it is.
        execution_id: ExecutionId,
    },
    /// Money has been set aside for more executions than any workflow needs.
    #[error("money has been reserved for {max} executions, which is as many as there can be")]
    TooManyReservations {
        /// How many there can be.
        max: usize,
    },
    /// An execution that is at work may still spend.
    #[error("execution {execution_id} is at work and may still spend, so its account stays open")]
    StillAtWork {
        /// Who is at work.
        execution_id: ExecutionId,
    },
    /// Only approved work is delivered.
    #[error("the work is not approved: the workflow is {phase}")]
    NotApproved {
        /// Where the workflow stands.
        phase: Phase,
    },
    /// The command is for another workflow than the one it was sent to.
    #[error("the command is for workflow {found}, not for {expected}")]
    OtherWorkflow {
        /// The workflow that was asked.
        expected: WorkflowId,
        /// The workflow that the command names.
        found: WorkflowId,
    },
    /// A field that no workflow could accept.
    #[error(transparent)]
    #[serde(untagged)]
    Unacceptable(#[from] Unacceptable),
}
