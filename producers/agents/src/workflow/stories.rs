//! The rules, told as stories.

use aggregate::{Given, given};
use events::workflow::*;
use events::{AgentRole, DomainEvent, NanoUsd, WorkflowEvent};

use super::fixture::*;
use super::*;
use crate::Unacceptable;

/// A story that begins after these commands and `more`.
fn after<const N: usize>(mut commands: Vec<WorkflowCommand>, more: [WorkflowCommand; N]) -> Given<Workflow> {
    commands.extend(more);
    given::<Workflow>(history(commands))
}

#[test]
fn a_workflow_goes_from_planner_to_coder_to_critic() {
    let told: Vec<_> = history(until_review()).iter().map(DomainEvent::event_type).collect();
    assert_eq!(
        told,
        [
            "WorkflowStarted",
            "BudgetReserved",
            "StepAssigned",
            "PlanDrafted",
            "BudgetReserved",
            "StepAssigned",
            "WorkSubmitted",
            "BudgetReserved",
            "StepAssigned",
        ]
    );
    let approved = after(until_review(), [approve(3, 0).into()]);
    let delivered: WorkflowEvent = WorkflowCompleted::from(complete()).into();
    approved.when(complete()).then([delivered]);
}

#[test]
fn a_workflow_is_started_once() {
    given::<Workflow>([]).when(complete()).rejected(Rejection::NotStarted);
    after(vec![start().into()], []).when(start()).then_nothing();
    let other = StartWorkflow { goal: "another".into(), ..start() };
    after(vec![start().into()], []).when(other.clone()).rejected(Rejection::AlreadyStarted);
    after(vec![start().into()], [cancel().into()]).when(other).rejected(Rejection::AlreadyStarted);
}

#[test]
fn a_step_is_done_by_the_execution_that_has_it_and_by_no_other() {
    after(until_coding(), []).when(submit(9, 0)).rejected(Rejection::NotAssigned { execution_id: run(9) });
    let taken = Rejection::StepTaken { execution_id: run(2) };
    after(until_coding(), [reserve(9, 1).into()]).when(assign(9, AgentRole::Coder, 0)).rejected(taken);
    let done = Rejection::StepDone { execution_id: run(1) };
    after(until_coding(), []).when(fail_step(1)).rejected(done.clone());
    after(until_coding(), [fail_step(2).into()]).when(assign(1, AgentRole::Coder, 0)).rejected(done);
}

#[test]
fn steps_out_of_order_are_refused() {
    let started = || after(vec![start().into(), reserve(1, 1).into()], []);
    let planning = |found| Rejection::RoleOutOfOrder { phase: Phase::Planning, found };
    started().when(assign(1, AgentRole::Coder, 0)).rejected(planning(AgentRole::Coder));
    started().when(complete()).rejected(Rejection::NotApproved { phase: Phase::Planning });
    let later = Rejection::RevisionOutOfOrder { expected: 0, found: 1 };
    started().when(assign(1, AgentRole::Planner, 1)).rejected(later.clone());
    after(until_coding(), []).when(submit(2, 1)).rejected(later.clone());
    after(until_review(), []).when(approve(3, 1)).rejected(later);
    let working = Rejection::RoleOutOfOrder { phase: Phase::Working, found: AgentRole::Critic };
    after(until_coding(), []).when(approve(2, 0)).rejected(working);
    let approved = Rejection::RoleOutOfOrder { phase: Phase::Approved, found: AgentRole::Coder };
    let again = after(until_review(), [approve(3, 0).into(), reserve(9, 1).into()]);
    again.when(assign(9, AgentRole::Coder, 0)).rejected(approved);
}

#[test]
fn a_step_that_failed_is_given_to_another() {
    let failed: WorkflowEvent = StepFailed::from(fail_step(2)).into();
    let state = after(until_coding(), []).when(fail_step(2)).then([failed]).state();
    assert_eq!(state.work().and_then(Work::next_role), Some(AgentRole::Coder));
    let again: WorkflowEvent = StepAssigned::from(assign(9, AgentRole::Coder, 0)).into();
    let story = after(until_coding(), [fail_step(2).into(), reserve(9, 1).into()]);
    story.when(assign(9, AgentRole::Coder, 0)).then([again]);
}

#[test]
fn the_critic_may_send_the_work_back_until_the_limit() {
    let sent_back: WorkflowEvent = RevisionRequested::from(send_back(3, 0)).into();
    let state = after(until_review(), []).when(send_back(3, 0)).then([sent_back]).state();
    assert_eq!(state.work().map(|work| (work.phase, work.revision)), Some((Phase::Working, 1)));

    let rejected: WorkflowEvent = WorkRejected::from(send_back(5, 1)).into();
    let failed: WorkflowEvent = WorkflowFailed {
        workflow_id: WORKFLOW,
        occurred_at: at(5),
        error_class: REVISION_LIMIT_REACHED.into(),
        message: String::new(),
    }
    .into();
    after(until_last_review(), []).when(send_back(5, 1)).then([rejected, failed]);
    after(until_last_review(), [send_back(5, 1).into()]).when(send_back(5, 1)).then_nothing();
}

#[test]
fn whoever_asks_again_changes_nothing_however_late() {
    let approved =
        || after(until_last_review(), [approve(5, 1).into(), settle(1, 7).into(), complete().into()]);
    for command in until_last_review() {
        approved().when(command).then_nothing();
    }
    approved().when(settle(1, 7)).then_nothing();
    approved().when(complete()).then_nothing();
}

#[test]
fn a_repetition_is_known_by_who_when_and_what_and_not_by_its_words() {
    let drafted = || after(until_coding(), []);
    drafted().when(DraftPlan { plan: "another".into(), ..draft(1) }).then_nothing();
    let done = Rejection::StepDone { execution_id: run(1) };
    drafted().when(DraftPlan { steps: 3, ..draft(1) }).rejected(done.clone());
    drafted().when(DraftPlan { occurred_at: at(4), ..draft(1) }).rejected(done);
    let submitted = || after(until_review(), []);
    let done = Rejection::StepDone { execution_id: run(2) };
    submitted().when(SubmitWork { artifact: "git:y".into(), ..submit(2, 0) }).rejected(done);
}

#[test]
fn a_step_that_breaks_off_again_and_again_is_given_to_nobody_any_more() {
    let unlimited = StartWorkflow { budget: None, ..start() };
    let mut commands: Vec<WorkflowCommand> = vec![unlimited.into()];
    for n in (1..).take(ATTEMPTS_MAX) {
        commands.extend([assign(n, AgentRole::Planner, 0).into(), fail_step(n).into()]);
    }
    let story = || after(commands.clone(), []);
    let exhausted = Rejection::TooManyAttempts { max: ATTEMPTS_MAX };
    story().when(assign(99, AgentRole::Planner, 0)).rejected(exhausted);
    story().when(assign(1, AgentRole::Planner, 0)).then_nothing();
    story().when(fail()).then([WorkflowFailed::from(fail()).into()]);
}

#[test]
fn money_is_set_aside_for_so_many_executions_and_no_more() {
    let reserved = (1..).take(RESERVATIONS_MAX).map(|n| BudgetReserved::from(reserve(n, 0)).into());
    let past: Vec<_> = history([start().into()]).into_iter().chain(reserved).collect();
    let full = Rejection::TooManyReservations { max: RESERVATIONS_MAX };
    given::<Workflow>(past.clone()).when(reserve(99_999, 0)).rejected(full);
    given::<Workflow>(past).when(reserve(1, 0)).then_nothing();
}

#[test]
fn what_is_stored_counts_also_where_todays_rules_would_refuse_it() {
    let early: WorkflowEvent = StepAssigned::from(assign(7, AgentRole::Critic, 3)).into();
    let sent_back: WorkflowEvent = RevisionRequested::from(send_back(7, 3)).into();
    let past: Vec<_> = history([start().into()]).into_iter().chain([early, sent_back]).collect();
    let state = Workflow::replay(&past);
    let work = state.work().unwrap();
    assert_eq!((work.phase, work.revision, work.steps.len()), (Phase::Working, 4, 1));
    let delivered: WorkflowEvent = WorkflowCompleted::from(complete()).into();
    let ended = Workflow::replay(past.iter().chain([&delivered]));
    assert!(matches!(ended, Workflow::Over { ending: Ending::Completed(_), .. }), "{ended:?}");
}

#[test]
fn nothing_is_spent_that_was_not_reserved() {
    let started = || after(vec![start().into(), reserve(1, 80).into()], []);
    let exceeded = Rejection::BudgetExceeded { free: NanoUsd::new(20), asked: NanoUsd::new(21) };
    started().when(reserve(2, 21)).rejected(exceeded);
    started().when(reserve(1, 81)).rejected(Rejection::OtherReservation { execution_id: run(1) });
    let nothing = |n| Rejection::NothingReserved { execution_id: run(n) };
    started().when(assign(2, AgentRole::Planner, 0)).rejected(nothing(2));
    started().when(settle(2, 1)).rejected(nothing(2));

    let unlimited = StartWorkflow { budget: None, ..start() };
    let story = after(vec![unlimited.into()], []);
    story
        .when(assign(1, AgentRole::Planner, 0))
        .then([StepAssigned::from(assign(1, AgentRole::Planner, 0)).into()]);
}

#[test]
fn what_was_not_spent_is_free_again() {
    let commands = || vec![start().into(), reserve(1, 80).into()];
    let reserved: WorkflowEvent = BudgetReserved::from(reserve(2, 70)).into();
    after(commands(), [settle(1, 30).into()]).when(reserve(2, 70)).then([reserved.clone()]);
    after(commands(), [release(1).into()]).when(reserve(2, 70)).then([reserved]);
    let other = Rejection::OtherReservation { execution_id: run(1) };
    after(commands(), [settle(1, 30).into()]).when(release(1)).rejected(other.clone());
    after(commands(), [release(1).into()]).when(settle(1, 30)).rejected(other);
    // What it cost is a fact, also where it is more than was reserved.
    let state = after(commands(), []).when(settle(1, 130)).state();
    assert_eq!(state.work().map(|work| work.budget.taken()), Some(NanoUsd::new(130)));
    let none = Rejection::BudgetExceeded { free: NanoUsd::new(-30), asked: NanoUsd::new(1) };
    after(commands(), [settle(1, 130).into()]).when(reserve(2, 1)).rejected(none);
}

#[test]
fn the_account_of_whoever_is_at_work_stays_open() {
    let at_work = Rejection::StillAtWork { execution_id: run(2) };
    after(until_coding(), []).when(release(2)).rejected(at_work.clone());
    after(until_coding(), []).when(settle(2, 5)).rejected(at_work);
    let settled: WorkflowEvent = BudgetSettled::from(settle(2, 5)).into();
    after(until_coding(), [submit(2, 0).into()]).when(settle(2, 5)).then([settled.clone()]);
    after(until_coding(), [fail_step(2).into()]).when(settle(2, 5)).then([settled]);
    let released: WorkflowEvent = BudgetReleased::from(release(2)).into();
    after(until_coding(), [fail_step(2).into()]).when(release(2)).then([released.clone()]);
    after(until_coding(), [cancel().into()]).when(release(2)).then([released]);
}

#[test]
fn a_workflow_ends_once_and_costs_still_come_in() {
    let ended = || after(until_coding(), [cancel().into()]);
    let how = Ended::Cancelled;
    ended().when(cancel()).then_nothing();
    ended().when(fail()).rejected(Rejection::AlreadyEnded { how });
    ended().when(complete()).rejected(Rejection::AlreadyEnded { how });
    ended().when(submit(2, 0)).rejected(Rejection::AlreadyEnded { how });
    ended().when(reserve(9, 1)).rejected(Rejection::AlreadyEnded { how });
    ended().when(settle(2, 3)).then([BudgetSettled::from(settle(2, 3)).into()]);
}

#[test]
fn a_workflow_that_was_taken_back_may_be_started_anew() {
    let withdrawn = WorkflowEvent::withdrawn(WORKFLOW.into(), at(99), "imported by mistake".into());
    let past = history(until_coding()).into_iter().chain([withdrawn]);
    let story = given::<Workflow>(past);
    story.when(start()).then([WorkflowStarted::from(start()).into()]);
}

#[test]
fn what_no_workflow_could_accept_is_refused_by_field() {
    let unknown = StartWorkflow { kind: WorkflowKind::Unknown, ..start() };
    let kind = Unacceptable::UnknownWord { field: "kind", known: "RESEARCH, CODING" };
    given::<Workflow>([]).when(unknown).rejected(kind);
    let limit = StartWorkflow { revision_limit: -1, ..start() };
    let small = Unacceptable::TooSmall { field: "revision_limit", value: -1, min: 0 };
    given::<Workflow>([]).when(limit).rejected(small);
    let endless = StartWorkflow { revision_limit: REVISION_LIMIT_MAX + 1, ..start() };
    let large = Unacceptable::TooLarge { field: "revision_limit", value: 21, max: 20 };
    given::<Workflow>([]).when(endless).rejected(large);
    let far = CompleteWorkflow { outcome: "x".repeat(2_049), ..complete() };
    let long = Unacceptable::TooLong { field: "outcome", bytes: 2_049, max: 2_048 };
    after(vec![start().into()], []).when(far).rejected(long);
    let found = workflow(2);
    let other = CompleteWorkflow { workflow_id: found, ..complete() };
    let rejection = Rejection::OtherWorkflow { expected: WORKFLOW, found };
    after(vec![start().into()], []).when(other).rejected(rejection);
}
