//! Steps: who has which, and what came of it.

use std::fmt;

use events::workflow::{
    PlanDrafted, RevisionRequested, StepAssigned, StepFailed, WorkApproved, WorkRejected, WorkSubmitted,
};
use events::{AgentRole, ExecutionId};
use serde::{Deserialize, Serialize};

/// Where a workflow stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The planner is to say how.
    Planning,
    /// The coder is to do the work.
    Working,
    /// The critic is to judge it.
    Reviewing,
    /// The work is good and can be delivered.
    Approved,
    /// The work is bad and may not be revised any more.
    Rejected,
}

impl Phase {
    /// Whose step is next.
    pub fn role(self) -> Option<AgentRole> {
        match self {
            Self::Planning => Some(AgentRole::Planner),
            Self::Working => Some(AgentRole::Coder),
            Self::Reviewing => Some(AgentRole::Critic),
            Self::Approved | Self::Rejected => None,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Planning => "planning",
            Self::Working => "working",
            Self::Reviewing => "reviewing",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        })
    }
}

/// One step of one execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What was to be done.
    pub assigned: StepAssigned,
    /// What came of it.
    pub done: Option<Done>,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Done {
    /// There is a plan.
    Drafted(PlanDrafted),
    /// There is work to judge.
    Submitted(WorkSubmitted),
    /// The work is to be revised.
    SentBack(RevisionRequested),
    /// The work is good.
    Approved(WorkApproved),
    /// The work is bad, for good.
    Rejected(WorkRejected),
    /// Nothing came of it.
    Failed(StepFailed),
}

impl Done {
    /// Who did it.
    pub fn execution_id(&self) -> ExecutionId {
        match self {
            Self::Drafted(it) => it.execution_id,
            Self::Submitted(it) => it.execution_id,
            Self::SentBack(it) => it.execution_id,
            Self::Approved(it) => it.execution_id,
            Self::Rejected(it) => it.execution_id,
            Self::Failed(it) => it.execution_id,
        }
    }

    /// Whose step ends like this; anybody's fails.
    pub(super) fn role(&self) -> Option<AgentRole> {
        match self {
            Self::Drafted(_) => Some(AgentRole::Planner),
            Self::Submitted(_) => Some(AgentRole::Coder),
            Self::SentBack(_) | Self::Approved(_) | Self::Rejected(_) => Some(AgentRole::Critic),
            Self::Failed(_) => None,
        }
    }

    /// The revision it speaks of, if of one.
    pub(super) fn revision(&self) -> Option<i32> {
        match self {
            Self::Submitted(it) => Some(it.revision),
            Self::SentBack(it) => Some(it.revision),
            Self::Approved(it) => Some(it.revision),
            Self::Rejected(it) => Some(it.revision),
            Self::Drafted(_) | Self::Failed(_) => None,
        }
    }
}
