//! What can be said of a command without knowing the workflow's past.

use events::AgentRole;
use events::workflow::WorkflowKind;

use super::{REVISION_LIMIT_MAX, WorkflowCommand};
use crate::Unacceptable;
use crate::checks::{at_least, at_most, money, name, optional, text, time, uri, words};

/// Refuses what no workflow could accept.
pub(crate) fn check(command: &WorkflowCommand) -> Result<(), Unacceptable> {
    time(command.occurred_at())?;
    match command {
        WorkflowCommand::StartWorkflow(start) => {
            if start.kind == WorkflowKind::Unknown {
                return Err(Unacceptable::UnknownWord { field: "kind", known: "RESEARCH, CODING" });
            }
            words("goal", &start.goal)?;
            at_least(0, "revision_limit", start.revision_limit.into())?;
            at_most(REVISION_LIMIT_MAX.into(), "revision_limit", start.revision_limit.into())?;
            money("budget_nano_usd", start.budget)?;
            optional(start.requested_by.as_deref(), |who| name("requested_by", who))
        }
        WorkflowCommand::ReserveBudget(reserve) => money("amount_nano_usd", Some(reserve.amount)),
        WorkflowCommand::AssignStep(assign) => {
            if assign.role == AgentRole::Unknown {
                return Err(Unacceptable::UnknownWord { field: "role", known: "PLANNER, CODER, CRITIC" });
            }
            at_least(0, "revision", assign.revision.into())?;
            optional(assign.prompt_version, |n| at_least(1, "prompt_version", n.into()))
        }
        WorkflowCommand::FailStep(fail) => {
            name("error_class", &fail.error_class)?;
            text("message", &fail.message)
        }
        WorkflowCommand::DraftPlan(draft) => {
            at_least(1, "steps", draft.steps.into())?;
            words("plan", &draft.plan)
        }
        WorkflowCommand::SubmitWork(submit) => {
            at_least(0, "revision", submit.revision.into())?;
            uri("artifact", &submit.artifact)?;
            at_least(0, "artifact_bytes", submit.artifact_bytes)
        }
        WorkflowCommand::RequestRevision(request) => {
            at_least(0, "revision", request.revision.into())?;
            words("findings", &request.findings)
        }
        WorkflowCommand::ApproveWork(approve) => {
            at_least(0, "revision", approve.revision.into())?;
            optional(approve.remarks.as_deref(), |remarks| words("remarks", remarks))
        }
        WorkflowCommand::SettleBudget(settle) => money("spent_nano_usd", Some(settle.spent)),
        WorkflowCommand::ReleaseBudget(release) => words("reason", &release.reason),
        WorkflowCommand::CompleteWorkflow(complete) => uri("outcome", &complete.outcome),
        WorkflowCommand::FailWorkflow(fail) => {
            name("error_class", &fail.error_class)?;
            text("message", &fail.message)
        }
        WorkflowCommand::CancelWorkflow(cancel) => {
            words("reason", &cancel.reason)?;
            optional(cancel.cancelled_by.as_deref(), |who| name("cancelled_by", who))
        }
    }
}
