//! Steps: who has which, and what came of it.

use std::fmt;

use events::workflow::{
    PlanDrafted, RevisionRequested, StepAssigned, StepFailed, WorkApproved, WorkRejected, WorkSubmitted,
};
use events::{AgentRole, ExecutionId, Timestamp};
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

/// How a step ended. It knows who, when and what, but not the words: those are in the events, may be about people, and
/// would let the state grow without need. So two outcomes that differ in their words alone are the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Who did it.
    pub execution_id: ExecutionId,
    /// When.
    pub at: Timestamp,
    /// What it led to.
    pub outcome: Outcome,
}

/// What a step led to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// There is a plan.
    Drafted {
        /// Its steps.
        steps: i32,
    },
    /// There is work to judge.
    Submitted {
        /// Which revision.
        revision: i32,
        /// Where it lies.
        artifact: String,
        /// Its length.
        artifact_bytes: i64,
    },
    /// The work is to be revised.
    SentBack {
        /// The revision that was judged.
        revision: i32,
    },
    /// The work is good.
    Approved {
        /// The revision that was judged.
        revision: i32,
    },
    /// The work is bad, for good.
    Rejected {
        /// The revision that was judged.
        revision: i32,
    },
    /// Nothing came of it.
    Failed {
        /// What kind of failure it was.
        error_class: String,
    },
}

impl Outcome {
    /// Whose step ends like this; anybody's fails.
    pub(super) fn role(&self) -> Option<AgentRole> {
        match self {
            Self::Drafted { .. } => Some(AgentRole::Planner),
            Self::Submitted { .. } => Some(AgentRole::Coder),
            Self::SentBack { .. } | Self::Approved { .. } | Self::Rejected { .. } => Some(AgentRole::Critic),
            Self::Failed { .. } => None,
        }
    }

    /// The revision it speaks of, if of one.
    pub(super) fn revision(&self) -> Option<i32> {
        match *self {
            Self::Submitted { revision, .. }
            | Self::SentBack { revision }
            | Self::Approved { revision }
            | Self::Rejected { revision } => Some(revision),
            Self::Drafted { .. } | Self::Failed { .. } => None,
        }
    }
}

impl From<&PlanDrafted> for Done {
    fn from(it: &PlanDrafted) -> Self {
        let outcome = Outcome::Drafted { steps: it.steps };
        Self { execution_id: it.execution_id, at: it.occurred_at, outcome }
    }
}

impl From<&WorkSubmitted> for Done {
    fn from(it: &WorkSubmitted) -> Self {
        let WorkSubmitted { revision, artifact_bytes, .. } = *it;
        let outcome = Outcome::Submitted { revision, artifact: it.artifact.clone(), artifact_bytes };
        Self { execution_id: it.execution_id, at: it.occurred_at, outcome }
    }
}

impl From<&RevisionRequested> for Done {
    fn from(it: &RevisionRequested) -> Self {
        let outcome = Outcome::SentBack { revision: it.revision };
        Self { execution_id: it.execution_id, at: it.occurred_at, outcome }
    }
}

impl From<&WorkApproved> for Done {
    fn from(it: &WorkApproved) -> Self {
        let outcome = Outcome::Approved { revision: it.revision };
        Self { execution_id: it.execution_id, at: it.occurred_at, outcome }
    }
}

impl From<&WorkRejected> for Done {
    fn from(it: &WorkRejected) -> Self {
        let outcome = Outcome::Rejected { revision: it.revision };
        Self { execution_id: it.execution_id, at: it.occurred_at, outcome }
    }
}

impl From<&StepFailed> for Done {
    fn from(it: &StepFailed) -> Self {
        let outcome = Outcome::Failed { error_class: it.error_class.clone() };
        Self { execution_id: it.execution_id, at: it.occurred_at, outcome }
    }
}
