//! Work that agents do together: a planner plans, a coder works, a critic judges; the critic may send the work back a
//! bounded number of times. Whoever drives it names the execution that does each step and reserves what that may cost.

mod budget;
mod checks;
mod command;
mod rejection;
mod step;
mod work;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod stories;

use aggregate::{Aggregate, Snapshot};
use events::workflow::{WorkflowCancelled, WorkflowCompleted, WorkflowFailed, WorkflowStarted};
use events::{WorkflowEvent, WorkflowId};
use serde::{Deserialize, Serialize};

use checks::check;

pub use budget::{Account, Budget, Closed, RESERVATIONS_MAX};
pub use command::{
    ApproveWork, AssignStep, CancelWorkflow, CompleteWorkflow, DraftPlan, FailStep, FailWorkflow,
    ReleaseBudget, RequestRevision, ReserveBudget, SettleBudget, StartWorkflow, SubmitWork, WorkflowCommand,
};
pub use rejection::Rejection;
pub use step::{Done, Outcome, Phase, Step};
pub use work::{ATTEMPTS_MAX, REVISION_LIMIT_MAX, REVISION_LIMIT_REACHED, Work};

use crate::Ended;

/// One workflow, as far as its rules need to know it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum Workflow {
    /// Nothing has happened.
    #[default]
    NotStarted,
    /// Agents are at work, or about to be.
    Underway(Work),
    /// It is over, one way or another; only costs may still come in.
    Over {
        /// How far it came.
        work: Work,
        /// How it ended.
        ending: Ending,
    },
}

/// How a workflow ended, in its own words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Ending {
    /// Delivered.
    Completed(WorkflowCompleted),
    /// Given up.
    Failed(WorkflowFailed),
    /// Stopped.
    Cancelled(WorkflowCancelled),
}

impl Ending {
    /// How it ended, without the words.
    pub fn how(&self) -> Ended {
        match self {
            Self::Completed(_) => Ended::Completed,
            Self::Failed(_) => Ended::Failed,
            Self::Cancelled(_) => Ended::Cancelled,
        }
    }
}

impl Aggregate for Workflow {
    type Command = WorkflowCommand;
    type Event = WorkflowEvent;
    type Rejection = Rejection;

    fn decide(&self, command: WorkflowCommand) -> Result<Vec<WorkflowEvent>, Rejection> {
        self.check_addressee(command.workflow_id())?;
        check(&command)?;
        match (self, command) {
            (Self::NotStarted, WorkflowCommand::StartWorkflow(start)) => {
                happened([WorkflowStarted::from(start).into()])
            }
            (Self::NotStarted, _) => Err(Rejection::NotStarted),
            (Self::Underway(work), command) => work.decide(command),
            (Self::Over { work, ending }, command) => ending.decide(work, command),
        }
    }

    fn evolve(self, event: &WorkflowEvent) -> Self {
        match (self, event) {
            (_, WorkflowEvent::Withdrawn(_)) => Self::NotStarted,
            (Self::NotStarted, WorkflowEvent::Started(started)) => Self::Underway(Work::new(started)),
            (Self::Underway(work), WorkflowEvent::Completed(completed)) => {
                Self::Over { work, ending: Ending::Completed(completed.clone()) }
            }
            (Self::Underway(work), WorkflowEvent::Failed(failed)) => {
                Self::Over { work, ending: Ending::Failed(failed.clone()) }
            }
            (Self::Underway(work), WorkflowEvent::Cancelled(cancelled)) => {
                Self::Over { work, ending: Ending::Cancelled(cancelled.clone()) }
            }
            (Self::Underway(work), event) => Self::Underway(work.evolve(event)),
            (Self::Over { work, ending }, event) => Self::Over { work: work.evolve(event), ending },
            (Self::NotStarted, _) => Self::NotStarted,
        }
    }
}

impl Snapshot for Workflow {
    const SHAPE: u32 = 1;
}

impl Workflow {
    /// How far it has come; `None` before its start.
    pub fn work(&self) -> Option<&Work> {
        match self {
            Self::NotStarted => None,
            Self::Underway(work) | Self::Over { work, .. } => Some(work),
        }
    }

    fn check_addressee(&self, found: WorkflowId) -> Result<(), Rejection> {
        match self.work().map(|work| work.started.workflow_id) {
            Some(expected) if expected != found => Err(Rejection::OtherWorkflow { expected, found }),
            _ => Ok(()),
        }
    }
}

impl Ending {
    /// After the end only costs come in; what is known already changes nothing even now.
    fn decide(&self, work: &Work, command: WorkflowCommand) -> Result<Vec<WorkflowEvent>, Rejection> {
        let how = self.how();
        let asked = match command {
            WorkflowCommand::SettleBudget(settle) => return work.settle(settle.into()),
            WorkflowCommand::ReleaseBudget(release) => return work.release(release.into()),
            WorkflowCommand::CompleteWorkflow(complete) => Self::Completed(complete.into()),
            WorkflowCommand::FailWorkflow(fail) => Self::Failed(fail.into()),
            WorkflowCommand::CancelWorkflow(cancel) => Self::Cancelled(cancel.into()),
            command @ WorkflowCommand::StartWorkflow(_) => return work.decide(command),
            command => {
                return match work.decide(command) {
                    Ok(events) if events.is_empty() => Ok(events),
                    _ => Err(Rejection::AlreadyEnded { how }),
                };
            }
        };
        if *self == asked { Ok(vec![]) } else { Err(Rejection::AlreadyEnded { how }) }
    }
}

fn happened<const N: usize>(events: [WorkflowEvent; N]) -> Result<Vec<WorkflowEvent>, Rejection> {
    Ok(events.into())
}

/// A repeated command changes nothing, so the caller may retry.
fn unless_known(is_new: bool, event: impl Into<WorkflowEvent>) -> Result<Vec<WorkflowEvent>, Rejection> {
    Ok(if is_new { vec![event.into()] } else { vec![] })
}
