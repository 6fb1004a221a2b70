//! The harness itself: a story that is told wrong fails, and says where.

use std::panic::catch_unwind;

use events::execution::ExecutionCancelled;
use events::{ExecutionEvent, Timestamp};

use super::*;

/// Why a run was not stopped.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
enum No {
    #[error("it was stopped before")]
    Stopped,
    #[error("it never was to be")]
    Never,
}

/// A run that is stopped once. Its command is its own event.
#[derive(Debug, Default, PartialEq)]
struct Run {
    stops: u32,
}

impl Aggregate for Run {
    type Command = ExecutionEvent;
    type Event = ExecutionEvent;
    type Rejection = No;

    fn decide(&self, stop: ExecutionEvent) -> Result<Vec<ExecutionEvent>, No> {
        if self.stops == 0 { Ok(vec![stop]) } else { Err(No::Stopped) }
    }

    fn evolve(self, _: &ExecutionEvent) -> Self {
        Self { stops: self.stops + 1 }
    }
}

fn stopped(reason: &str) -> ExecutionEvent {
    ExecutionCancelled {
        execution_id: "018f3f5e-0000-7000-8000-000000000001".parse().unwrap(),
        occurred_at: Timestamp::from_micros(0),
        reason: reason.into(),
        cancelled_by: None,
    }
    .into()
}

fn fresh() -> Decided<Run> {
    given::<Run>([]).when(stopped("budget"))
}

fn again() -> Decided<Run> {
    given::<Run>([stopped("budget")]).when(stopped("budget"))
}

/// What a story says when it fails.
fn failure(story: impl FnOnce() + std::panic::UnwindSafe) -> String {
    *catch_unwind(story).expect_err("the story is told wrong").downcast::<String>().unwrap()
}

#[test]
fn a_story_told_right_goes_on_to_its_state() {
    assert_eq!(fresh().then([stopped("budget")]).state(), Run { stops: 1 });
    again().rejected(No::Stopped);
}

#[test]
fn other_events_fail_with_the_lines_that_differ() {
    let told = failure(|| {
        fresh().then([stopped("time")]);
    });
    assert!(told.starts_with("other events than told:\n"), "{told}");
    let marked: Vec<&str> = told.lines().skip(1).filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(marked, ["-             reason: \"time\",", "+             reason: \"budget\","], "{told}");
}

#[test]
#[should_panic(expected = "rejected (it was stopped before), but should lead to")]
fn events_told_of_a_rejected_command_fail() {
    again().then([stopped("budget")]);
}

#[test]
#[should_panic(expected = "other events than told")]
fn nothing_told_where_something_happens_fails() {
    fresh().then_nothing();
}

#[test]
#[should_panic(expected = "rejected (it was stopped before)")]
fn nothing_told_of_a_rejected_command_fails() {
    again().then_nothing();
}

#[test]
#[should_panic(expected = "but should be rejected: Stopped")]
fn a_rejection_told_of_an_accepted_command_fails() {
    fresh().rejected(No::Stopped);
}

#[test]
fn another_reason_fails_with_both() {
    let told = failure(|| again().rejected(No::Never));
    assert_eq!(told, "rejected for another reason:\n- Never\n+ Stopped\n");
}

#[test]
#[should_panic(expected = "rejected (it was stopped before), so there is no state after it")]
fn a_rejected_command_has_no_state() {
    again().state();
}
