//! What holds for every sequence of commands, sensible or not.

use events::workflow::*;
use events::{AgentRole, DomainEvent, NanoUsd, Timestamp, WorkflowEvent};
use proptest::prelude::*;

use super::fixture::*;
use super::*;
use crate::laws;

fn role() -> impl Strategy<Value = AgentRole> {
    prop::sample::select(vec![AgentRole::Planner, AgentRole::Coder, AgentRole::Critic, AgentRole::Unknown])
}

/// From small domains, so that repetitions, conflicts and legal successors all come up often.
fn command() -> impl Strategy<Value = WorkflowCommand> {
    let revision = prop_oneof![19 => 0..4_i32, 1 => any::<i32>()];
    let amount = prop_oneof![19 => 0..60_i64, 1 => any::<i64>()];
    (1..10_u128, revision, amount, role(), 0..26_u8).prop_map(
        |(n, revision, amount, role, kind)| match kind {
            0 | 1 => start().into(),
            2 => StartWorkflow { workflow_id: workflow(n), budget: None, ..start() }.into(),
            3..=5 => reserve(n, amount).into(),
            6..=10 => assign(n, role, revision).into(),
            11 => fail_step(n).into(),
            12..=14 => draft(n).into(),
            15..=17 => submit(n, revision).into(),
            18 | 19 => send_back(n, revision).into(),
            20 => approve(n, revision).into(),
            21 => settle(n, amount).into(),
            22 => release(n).into(),
            23 => complete().into(),
            24 => fail().into(),
            _ => CancelWorkflow { occurred_at: Timestamp::from_micros(amount), ..cancel() }.into(),
        },
    )
}

/// A workflow whose critic says no again and again, also once too often; up to anywhere.
fn begun() -> impl Strategy<Value = Vec<WorkflowCommand>> {
    let budget = prop::option::of(Just(NanoUsd::new(1_000)));
    (0..4_i32, budget, 0..5_i32, any::<prop::sample::Index>()).prop_map(
        |(revision_limit, budget, rounds, end)| {
            let mut commands = vec![StartWorkflow { revision_limit, budget, ..start() }.into()];
            commands.extend(step(1, AgentRole::Planner, 0));
            commands.push(draft(1).into());
            for (revision, n) in (0..rounds).zip((2..).step_by(2)) {
                commands.extend(step(n, AgentRole::Coder, revision));
                commands.push(submit(n, revision).into());
                commands.extend(step(n + 1, AgentRole::Critic, revision));
                commands.push(send_back(n + 1, revision).into());
            }
            commands.truncate(end.index(commands.len() + 1));
            commands
        },
    )
}

/// Any event of the set, whether it fits or not: what the commands say, taken as facts.
fn any_event() -> impl Strategy<Value = WorkflowEvent> {
    let told = (command(), any::<bool>()).prop_map(|(command, is_final)| match command {
        WorkflowCommand::StartWorkflow(it) => WorkflowStarted::from(it).into(),
        WorkflowCommand::ReserveBudget(it) => BudgetReserved::from(it).into(),
        WorkflowCommand::AssignStep(it) => StepAssigned::from(it).into(),
        WorkflowCommand::FailStep(it) => StepFailed::from(it).into(),
        WorkflowCommand::DraftPlan(it) => PlanDrafted::from(it).into(),
        WorkflowCommand::SubmitWork(it) => WorkSubmitted::from(it).into(),
        WorkflowCommand::RequestRevision(it) if is_final => WorkRejected::from(it).into(),
        WorkflowCommand::RequestRevision(it) => RevisionRequested::from(it).into(),
        WorkflowCommand::ApproveWork(it) => WorkApproved::from(it).into(),
        WorkflowCommand::SettleBudget(it) => BudgetSettled::from(it).into(),
        WorkflowCommand::ReleaseBudget(it) => BudgetReleased::from(it).into(),
        WorkflowCommand::CompleteWorkflow(it) => WorkflowCompleted::from(it).into(),
        WorkflowCommand::FailWorkflow(it) => WorkflowFailed::from(it).into(),
        WorkflowCommand::CancelWorkflow(it) => WorkflowCancelled::from(it).into(),
    });
    prop_oneof![19 => told, 1 => laws::withdrawn::<WorkflowEvent>(WORKFLOW)]
}

/// Whose step an event ends, if it says so.
fn role_of(event: &WorkflowEvent) -> Option<AgentRole> {
    match event {
        WorkflowEvent::PlanDrafted(_) => Some(AgentRole::Planner),
        WorkflowEvent::WorkSubmitted(_) => Some(AgentRole::Coder),
        WorkflowEvent::RevisionRequested(_)
        | WorkflowEvent::WorkApproved(_)
        | WorkflowEvent::WorkRejected(_) => Some(AgentRole::Critic),
        _ => None,
    }
}

proptest! {
    #[test]
    fn every_decided_history_is_one_a_reader_can_rely_on(
        begun in begun(),
        commands in prop::collection::vec(command(), 0..80),
    ) {
        let (history, state) = laws::run::<Workflow>(begun.into_iter().chain(commands).collect(), |_| true);
        let (mut at_work, mut sent_back, mut ends) = (None::<StepAssigned>, 0, 0);
        for (place, event) in history.iter().enumerate() {
            prop_assert_eq!(event.aggregate_id(), history[0].aggregate_id());
            prop_assert_eq!(place == 0, matches!(event, WorkflowEvent::Started(_)));
            let is_cost = matches!(event, WorkflowEvent::BudgetSettled(_) | WorkflowEvent::BudgetReleased(_));
            prop_assert!(ends == 0 || is_cost, "only costs follow the end");
            match event {
                WorkflowEvent::StepAssigned(assigned) => {
                    prop_assert_eq!(at_work, None, "one step at a time");
                    prop_assert_eq!(assigned.revision, sent_back);
                    at_work = Some(assigned.clone());
                }
                WorkflowEvent::StepFailed(_) => prop_assert!(at_work.take().is_some()),
                event if role_of(event).is_some() => {
                    prop_assert_eq!(at_work.take().map(|step| step.role), role_of(event));
                }
                WorkflowEvent::BudgetSettled(BudgetSettled { execution_id, .. })
                | WorkflowEvent::BudgetReleased(BudgetReleased { execution_id, .. })
                    if ends == 0 =>
                {
                    let may_spend = at_work.as_ref().is_some_and(|step| step.execution_id == *execution_id);
                    prop_assert!(!may_spend, "the account of whoever is at work stays open");
                }
                WorkflowEvent::Completed(_) | WorkflowEvent::Failed(_) | WorkflowEvent::Cancelled(_) => ends += 1,
                _ => {}
            }
            sent_back += i32::from(matches!(event, WorkflowEvent::RevisionRequested(_)));
        }
        if let Some(work) = state.work() {
            prop_assert!(sent_back <= work.started.revision_limit, "revisions are bounded");
            let spent = |event: &WorkflowEvent| matches!(event, WorkflowEvent::BudgetSettled(_));
            if let Some(limit) = work.started.budget && !history.iter().any(spent) {
                prop_assert!(work.budget.taken() <= limit, "no more is reserved than there is");
            }
            prop_assert!(work.budget.taken() >= NanoUsd::ZERO);
        }
    }

    #[test]
    fn the_laws_of_aggregates_hold(
        history in prop::collection::vec(any_event(), 0..60),
        command in command(),
    ) {
        laws::hold::<Workflow>(&history, command, WorkflowCommand::aggregate_id);
    }
}
