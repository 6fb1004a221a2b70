//! Commands and events of one workflow, for its stories.

use events::workflow::*;
use events::{AgentRole, ExecutionId, NanoUsd, Timestamp, WorkflowEvent, WorkflowId};
use uuid::Uuid;

use super::*;

/// Executions have smaller numbers.
pub(super) const WORKFLOW: WorkflowId = workflow(1);

pub(super) const fn workflow(n: u128) -> WorkflowId {
    WorkflowId(Uuid::from_u128(100_000 + n))
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

pub(super) fn run(n: u128) -> ExecutionId {
    ExecutionId(Uuid::from_u128(n))
}

/// May be sent back once, and cost 100.
pub(super) fn start() -> StartWorkflow {
    StartWorkflow {
        workflow_id: WORKFLOW,
        occurred_at: at(0),
        kind: WorkflowKind::Coding,
        goal: "repair the import".into(),
        revision_limit: 1,
        budget: Some(NanoUsd::new(100)),
        requested_by: None,
    }
}

pub(super) fn reserve(n: u128, amount: i64) -> ReserveBudget {
    let amount = NanoUsd::new(amount);
    ReserveBudget { workflow_id: WORKFLOW, occurred_at: at(1), execution_id: run(n), amount }
}

pub(super) fn assign(n: u128, role: AgentRole, revision: i32) -> AssignStep {
    AssignStep {
        workflow_id: WORKFLOW,
        occurred_at: at(2),
        execution_id: run(n),
        role,
        revision,
        prompt_id: None,
        prompt_version: None,
    }
}

pub(super) fn fail_step(n: u128) -> FailStep {
    FailStep {
        workflow_id: WORKFLOW,
        occurred_at: at(3),
        execution_id: run(n),
        error_class: "Timeout".into(),
        message: String::new(),
    }
}

pub(super) fn draft(n: u128) -> DraftPlan {
    DraftPlan {
        workflow_id: WORKFLOW,
        occurred_at: at(3),
        execution_id: run(n),
        steps: 2,
        plan: "1. 2.".into(),
    }
}

pub(super) fn submit(n: u128, revision: i32) -> SubmitWork {
    SubmitWork {
        workflow_id: WORKFLOW,
        occurred_at: at(4),
        execution_id: run(n),
        revision,
        artifact: "git:x".into(),
        artifact_bytes: 9,
    }
}

pub(super) fn send_back(n: u128, revision: i32) -> RequestRevision {
    let (workflow_id, occurred_at, execution_id) = (WORKFLOW, at(5), run(n));
    RequestRevision { workflow_id, occurred_at, execution_id, revision, findings: "no test".into() }
}

pub(super) fn approve(n: u128, revision: i32) -> ApproveWork {
    ApproveWork { workflow_id: WORKFLOW, occurred_at: at(6), execution_id: run(n), revision, remarks: None }
}

pub(super) fn settle(n: u128, spent: i64) -> SettleBudget {
    let spent = NanoUsd::new(spent);
    SettleBudget { workflow_id: WORKFLOW, occurred_at: at(7), execution_id: run(n), spent }
}

pub(super) fn release(n: u128) -> ReleaseBudget {
    ReleaseBudget {
        workflow_id: WORKFLOW,
        occurred_at: at(7),
        execution_id: run(n),
        reason: "never ran".into(),
    }
}

pub(super) fn complete() -> CompleteWorkflow {
    CompleteWorkflow {
        workflow_id: WORKFLOW,
        occurred_at: at(8),
        outcome: "https://example.com/pull/1".into(),
    }
}

pub(super) fn fail() -> FailWorkflow {
    FailWorkflow {
        workflow_id: WORKFLOW,
        occurred_at: at(8),
        error_class: "Timeout".into(),
        message: String::new(),
    }
}

pub(super) fn cancel() -> CancelWorkflow {
    CancelWorkflow {
        workflow_id: WORKFLOW,
        occurred_at: at(8),
        reason: "too dear".into(),
        cancelled_by: None,
    }
}

/// The history that these commands lead to, all of which must be accepted.
pub(super) fn history(commands: impl IntoIterator<Item = WorkflowCommand>) -> Vec<WorkflowEvent> {
    commands.into_iter().fold(vec![], |mut history, command| {
        let events = Workflow::replay(&history).decide(command.clone());
        history.extend(events.unwrap_or_else(|no| panic!("{command:?}: {no}")));
        history
    })
}

/// An execution that gets money and a step.
pub(super) fn step(n: u128, role: AgentRole, revision: i32) -> [WorkflowCommand; 2] {
    [reserve(n, 20).into(), assign(n, role, revision).into()]
}

/// Up to where the coder has the first step.
pub(super) fn until_coding() -> Vec<WorkflowCommand> {
    let mut commands: Vec<WorkflowCommand> = vec![start().into()];
    commands.extend(step(1, AgentRole::Planner, 0));
    commands.push(draft(1).into());
    commands.extend(step(2, AgentRole::Coder, 0));
    commands
}

/// Up to where the critic has the work of the first revision.
pub(super) fn until_review() -> Vec<WorkflowCommand> {
    let mut commands = until_coding();
    commands.push(submit(2, 0).into());
    commands.extend(step(3, AgentRole::Critic, 0));
    commands
}

/// Up to where the critic has the work of the last revision.
pub(super) fn until_last_review() -> Vec<WorkflowCommand> {
    let mut commands = until_review();
    commands.push(send_back(3, 0).into());
    commands.extend(step(4, AgentRole::Coder, 1));
    commands.push(submit(4, 1).into());
    commands.extend(step(5, AgentRole::Critic, 1));
    commands
}
