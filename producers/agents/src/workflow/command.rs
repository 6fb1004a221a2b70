//! What somebody wants to happen to a workflow.

use events::workflow::{
    BudgetReleased, BudgetReserved, BudgetSettled, PlanDrafted, RevisionRequested, StepAssigned, StepFailed,
    WorkApproved, WorkRejected, WorkSubmitted, WorkflowCancelled, WorkflowCompleted, WorkflowFailed,
    WorkflowKind, WorkflowStarted,
};
use events::{AgentRole, ExecutionId, NanoUsd, PromptId, WorkflowId};

use crate::commands::commands;

commands! {
    /// Everything that can be asked of a workflow.
    WorkflowCommand, id workflow_id: WorkflowId, collection "workflows", examples "examples.json";

    /// Ask for work. Asking twice with the same content changes nothing.
    StartWorkflow => WorkflowStarted {
        kind: WorkflowKind,
        goal: String,
        revision_limit: i32,
        #[serde(rename = "budget_nano_usd")]
        budget: Option<NanoUsd>,
        requested_by: Option<String>,
    }

    /// Set money aside for an execution, before it may spend any.
    ReserveBudget => BudgetReserved {
        execution_id: ExecutionId,
        #[serde(rename = "amount_nano_usd")]
        amount: NanoUsd,
    }

    /// Give an execution the next step. A step needs an execution of its own.
    AssignStep => StepAssigned {
        execution_id: ExecutionId,
        role: AgentRole,
        revision: i32,
        prompt_id: Option<PromptId>,
        prompt_version: Option<i32>,
    }

    /// Say that the execution broke off, so that another can be given the step.
    FailStep => StepFailed {
        execution_id: ExecutionId,
        error_class: String,
        message: String,
    }

    /// Hand in the plan.
    DraftPlan => PlanDrafted {
        execution_id: ExecutionId,
        steps: i32,
        plan: String,
    }

    /// Hand in a revision of the work.
    SubmitWork => WorkSubmitted {
        execution_id: ExecutionId,
        revision: i32,
        artifact: String,
        artifact_bytes: i64,
    }

    /// Send the work back. Beyond the limit of revisions this rejects it, and the workflow fails.
    RequestRevision => RevisionRequested {
        execution_id: ExecutionId,
        revision: i32,
        findings: String,
    }

    /// Say that the work does what was asked.
    ApproveWork => WorkApproved {
        execution_id: ExecutionId,
        revision: i32,
        remarks: Option<String>,
    }

    /// Say what an execution really cost. Costs may come late: also after the end.
    SettleBudget => BudgetSettled {
        execution_id: ExecutionId,
        #[serde(rename = "spent_nano_usd")]
        spent: NanoUsd,
    }

    /// Give back what an execution had reserved and never spent.
    ReleaseBudget => BudgetReleased {
        execution_id: ExecutionId,
        reason: String,
    }

    /// Deliver the approved work.
    CompleteWorkflow => WorkflowCompleted {
        outcome: String,
    }

    /// Give up.
    FailWorkflow => WorkflowFailed {
        error_class: String,
        message: String,
    }

    /// Stop the workflow.
    CancelWorkflow => WorkflowCancelled {
        reason: String,
        cancelled_by: Option<String>,
    }
}

impl From<RequestRevision> for WorkRejected {
    fn from(asked: RequestRevision) -> Self {
        let RequestRevision { workflow_id, occurred_at, execution_id, revision, findings } = asked;
        Self { workflow_id, occurred_at, execution_id, revision, findings }
    }
}
