//! Work that agents do together: a planner plans, a coder does the work, a critic judges it, and it may go back a bounded
//! number of times.

use serde::{Deserialize, Serialize};

use crate::{AgentRole, ExecutionId, NanoUsd, PromptId, Timestamp, WorkflowId, event_set};

/// Somebody asked for work that agents do together. Always the first event of a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkflowStarted {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// When it was asked for.
    pub occurred_at: Timestamp,
    /// What kind of work it is.
    pub kind: WorkflowKind,
    /// What is to be achieved, in the words of whoever asked; it may name people. Personal.
    pub goal: String,
    /// How often the critic may send the work back, from 0.
    pub revision_limit: i32,
    /// The most that its steps may reserve together; absent when unlimited.
    #[serde(rename = "budget_nano_usd")]
    pub budget: Option<NanoUsd>,
    /// The person who asked for it; absent when a program did. Personal.
    pub requested_by: Option<String>,
}

/// Money was set aside for an execution before it may spend any.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BudgetReserved {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// When it was set aside.
    pub occurred_at: Timestamp,
    /// The execution that may spend it.
    pub execution_id: ExecutionId,
    /// How much.
    #[serde(rename = "amount_nano_usd")]
    pub amount: NanoUsd,
}

/// An execution was given the next step to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepAssigned {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// When it was given.
    pub occurred_at: Timestamp,
    /// The execution that does it.
    pub execution_id: ExecutionId,
    /// What it does: plan, write or judge.
    pub role: AgentRole,
    /// Which revision of the work the step is for; 0 is the first, also while there is only a plan.
    pub revision: i32,
    /// The prompt it follows; absent when none is kept.
    pub prompt_id: Option<PromptId>,
    /// Which version of that prompt, from 1; absent when none is kept.
    pub prompt_version: Option<i32>,
}

/// The execution that had a step broke off; another may be given the step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepFailed {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// When it broke off.
    pub occurred_at: Timestamp,
    /// The execution that broke off.
    pub execution_id: ExecutionId,
    /// What kind of failure it was, such as StepLimitReached.
    pub error_class: String,
    /// What the program said; it may quote what a user typed. Personal.
    pub message: String,
}

/// The planner said how the goal is to be reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanDrafted {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// When the plan was ready.
    pub occurred_at: Timestamp,
    /// The execution that planned.
    pub execution_id: ExecutionId,
    /// How many steps the plan has, from 1.
    pub steps: i32,
    /// The plan; it may repeat what the goal names. Personal.
    pub plan: String,
}

/// The coder handed in a revision of the work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkSubmitted {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// When it was handed in.
    pub occurred_at: Timestamp,
    /// The execution that did the work.
    pub execution_id: ExecutionId,
    /// Which revision, from 0.
    pub revision: i32,
    /// Where the work lies, as a URI; it names no person.
    pub artifact: String,
    /// Length of the work, in bytes.
    pub artifact_bytes: i64,
}

/// The critic sent the work back, to be done better.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RevisionRequested {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// When it was sent back.
    pub occurred_at: Timestamp,
    /// The execution that judged.
    pub execution_id: ExecutionId,
    /// The revision that was sent back; the next one counts one more.
    pub revision: i32,
    /// What is to be changed; it may quote the work and the goal. Personal.
    pub findings: String,
}

/// The critic said that the work does what was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkApproved {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// When it was approved.
    pub occurred_at: Timestamp,
    /// The execution that judged.
    pub execution_id: ExecutionId,
    /// The revision that was approved.
    pub revision: i32,
    /// What the critic had to say all the same; it may quote the work and the goal. Personal.
    pub remarks: Option<String>,
}

/// The critic said no to the last revision that was allowed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkRejected {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// When it was rejected.
    pub occurred_at: Timestamp,
    /// The execution that judged.
    pub execution_id: ExecutionId,
    /// The revision that was rejected.
    pub revision: i32,
    /// What is wrong with it; it may quote the work and the goal. Personal.
    pub findings: String,
}

/// It is known what an execution really cost; the rest of what it had reserved is free again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BudgetSettled {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// When it was known.
    pub occurred_at: Timestamp,
    /// The execution that spent it.
    pub execution_id: ExecutionId,
    /// What it cost, which may be more than was reserved.
    #[serde(rename = "spent_nano_usd")]
    pub spent: NanoUsd,
}

/// What an execution had reserved is free again: it never spent any.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BudgetReleased {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// When it was freed.
    pub occurred_at: Timestamp,
    /// The execution that had reserved it.
    pub execution_id: ExecutionId,
    /// Why nothing was spent, in words that name nobody.
    pub reason: String,
}

/// The approved work was delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkflowCompleted {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// When it was delivered.
    pub occurred_at: Timestamp,
    /// Where the work ended up, as a URI, such as that of the merged change; it names no person.
    pub outcome: String,
}

/// The workflow gave up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkflowFailed {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// When it gave up.
    pub occurred_at: Timestamp,
    /// What kind of failure it was, such as RevisionLimitReached.
    pub error_class: String,
    /// What was said about it; it may quote what a user typed. Personal.
    pub message: String,
}

/// Somebody stopped the workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkflowCancelled {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// When it was stopped.
    pub occurred_at: Timestamp,
    /// Why it was stopped, in the words of whoever did it; it may name people. Personal.
    pub reason: String,
    /// The person who stopped it; absent when a program did. Personal.
    pub cancelled_by: Option<String>,
}

/// The workflow was taken back as a whole: it counts no more, and may be started anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkflowWithdrawn {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// When it was taken back.
    pub occurred_at: Timestamp,
    /// Why, in words that name nobody.
    pub reason: String,
}

/// What kind of work it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WorkflowKind {
    /// Something is to be found out.
    Research,
    /// Something is to be written.
    Coding,
    /// A kind this program does not know; the schema's default.
    #[serde(other)]
    Unknown,
}

event_set! {
    /// Everything that can happen to a workflow.
    WorkflowEvent, topic "agents.workflow.events", aggregate "workflow", id workflow_id,
    withdrawn WorkflowWithdrawn, schemas "../avro";
    Started(WorkflowStarted) version 1 personal goal requested_by;
    BudgetReserved(BudgetReserved) version 1;
    StepAssigned(StepAssigned) version 1;
    StepFailed(StepFailed) version 1 personal message;
    PlanDrafted(PlanDrafted) version 1 personal plan;
    WorkSubmitted(WorkSubmitted) version 1;
    RevisionRequested(RevisionRequested) version 1 personal findings;
    WorkApproved(WorkApproved) version 1 personal remarks;
    WorkRejected(WorkRejected) version 1 personal findings;
    BudgetSettled(BudgetSettled) version 1;
    BudgetReleased(BudgetReleased) version 1;
    Completed(WorkflowCompleted) version 1;
    Failed(WorkflowFailed) version 1 personal message;
    Cancelled(WorkflowCancelled) version 1 personal reason cancelled_by;
    Withdrawn(WorkflowWithdrawn) version 1;
}
