//! What each event does to the two views.

use events::ExecutionEvent;
use events::execution::Verdict as Judged;
use projection::harness::given;
use projection::{Moment, Projection, Rank};

use super::histories::*;
use crate::{ExecutionLive, ExecutionRow, ExecutionsPostgres, ExecutionsRedis, Status, Verdict};

fn at(seconds: i64) -> Moment {
    after(seconds).try_into().unwrap()
}

fn fresh_row() -> ExecutionRow {
    ExecutionRow {
        status: Status::Running,
        task: "sympy__sympy-13798".into(),
        repository: "sympy".into(),
        model: "@google/gemini".into(),
        model_name: "google/gemini".into(),
        agent: "mini-swe-agent 1.15.0".into(),
        workflow_id: None,
        prompt_id: None,
        prompt_version: None,
        step_limit: Some(250),
        cost_limit_nano_usd: Some(3_000_000_000),
        steps: 0,
        tool_uses: 0,
        failed_tool_uses: 0,
        prompt_tokens: 0,
        completion_tokens: 0,
        reasoning_tokens: 0,
        cached_tokens: 0,
        step_cost_nano_usd: 0,
        steps_without_cost: 0,
        reported_cost_nano_usd: None,
        exit_status: None,
        error_class: None,
        patch_bytes: None,
        verdict: None,
        judge: None,
        started_at: at(0),
        ended_at: None,
        judged_at: None,
        last_event_at: at(0),
    }
}

fn fresh_live() -> ExecutionLive {
    ExecutionLive {
        status: Status::Running,
        task: "sympy__sympy-13798".into(),
        repository: "sympy".into(),
        model_name: "google/gemini".into(),
        step: 0,
        last_tool: None,
        prompt_tokens: 0,
        completion_tokens: 0,
        cost_nano_usd: None,
        reported_cost_nano_usd: None,
        verdict: None,
        started_at: at(0),
        last_event_at: at(0),
    }
}

fn start() -> ExecutionEvent {
    started(1, "sympy", "@google/gemini")
}

#[test]
fn a_started_execution_is_running() {
    let story = recorded([start()]);
    given::<ExecutionsPostgres>(story.clone()).redelivered().then(id(1), Some(fresh_row()));
    given::<ExecutionsRedis>(story).redelivered().then(id(1), Some(fresh_live()));
}

#[test]
fn a_judged_execution_has_both_costs_and_its_verdict() {
    let story = recorded([
        start(),
        called(1, 1, Some(5_294_000)),
        used(1, 1, Some("ls"), Some(0)),
        called(1, 2, None),
        used(1, 2, None, Some(1)),
        used(1, 2, Some("nl"), None),
        completed(1, Some(381_713_200)),
        judged(1, Judged::Resolved),
    ]);
    let row = ExecutionRow {
        status: Status::Completed,
        steps: 2,
        tool_uses: 3,
        failed_tool_uses: 1,
        prompt_tokens: 2000,
        completion_tokens: 200,
        reasoning_tokens: 80,
        cached_tokens: 1000,
        step_cost_nano_usd: 5_294_000,
        steps_without_cost: 1,
        reported_cost_nano_usd: Some(381_713_200),
        exit_status: Some("Submitted".into()),
        patch_bytes: Some(791),
        verdict: Some(Verdict::Resolved),
        judge: Some("swe-bench-verified".into()),
        ended_at: Some(at(60)),
        judged_at: Some(at(90)),
        last_event_at: at(90),
        ..fresh_row()
    };
    let live = ExecutionLive {
        status: Status::Completed,
        step: 2,
        last_tool: Some("nl".into()),
        prompt_tokens: 2000,
        completion_tokens: 200,
        cost_nano_usd: Some(5_294_000),
        reported_cost_nano_usd: Some(381_713_200),
        verdict: Some(Verdict::Resolved),
        last_event_at: at(90),
        ..fresh_live()
    };
    given::<ExecutionsPostgres>(story.clone()).redelivered().then(id(1), Some(row));
    given::<ExecutionsRedis>(story).redelivered().then(id(1), Some(live));
}

#[test]
fn a_failed_execution_names_its_failure_and_not_what_was_said() {
    let row = ExecutionRow {
        status: Status::Failed,
        error_class: Some("StepLimitReached".into()),
        ended_at: Some(at(61)),
        last_event_at: at(61),
        ..fresh_row()
    };
    given::<ExecutionsPostgres>(recorded([start(), failed(1)])).redelivered().then(id(1), Some(row));
}

#[test]
fn a_cancelled_execution_is_over() {
    let live = ExecutionLive { status: Status::Cancelled, last_event_at: at(62), ..fresh_live() };
    given::<ExecutionsRedis>(recorded([start(), cancelled(1)])).redelivered().then(id(1), Some(live));
}

#[test]
fn the_leaderboard_goes_by_step_cost_and_by_reported_cost_where_no_step_has_one() {
    let score = |events: Vec<ExecutionEvent>| {
        let story = given::<ExecutionsRedis>(recorded(events));
        story.view(id(1)).and_then(ExecutionsRedis::rank).map(|Rank { board, score }| (board, score))
    };
    assert_eq!(score(vec![start(), called(1, 1, None)]), None);
    assert_eq!(score(vec![start(), called(1, 1, Some(5)), called(1, 2, Some(6))]), Some(("cost", 11)));
    assert_eq!(score(vec![start(), called(1, 1, Some(5)), completed(1, Some(9))]), Some(("cost", 5)));
    assert_eq!(score(vec![start(), called(1, 1, None), completed(1, Some(9))]), Some(("cost", 9)));
    assert_eq!(score(vec![start(), called(1, 1, None), completed(1, None)]), None);
}

/// Both views refuse the last of `events` for `reason`.
#[track_caller]
fn refused(events: impl IntoIterator<Item = ExecutionEvent>, reason: &str) {
    let story = recorded(events);
    given::<ExecutionsPostgres>(story.clone()).redelivered().refused(id(1), reason);
    given::<ExecutionsRedis>(story).redelivered().refused(id(1), reason);
}

#[test]
fn what_cannot_follow_is_refused() {
    refused([called(1, 1, None)], "ModelCalled, but the execution has not started");
    refused([judged(1, Judged::Resolved)], "has not started");
    refused([start(), start()], "has already started");
    refused([start(), failed(1), called(1, 1, None)], "is over: failed");
    refused([start(), completed(1, None), cancelled(1)], "is over: completed");
    refused([start(), cancelled(1), used(1, 0, None, None)], "is over: cancelled");
    refused([start(), judged(1, Judged::Resolved)], "is running, not completed");
    refused([start(), failed(1), judged(1, Judged::Resolved)], "is failed, not completed");
    refused(
        [start(), completed(1, None), judged(1, Judged::Resolved), judged(1, Judged::Resolved)],
        "judged already",
    );
    refused([start(), called(1, 2, None)], "at step 2, but step 1 was expected");
    refused([start(), called(1, 1, None), used(1, 2, None, None)], "at step 2, but step 1 was expected");
}

#[test]
fn amounts_that_cannot_be_are_refused() {
    let call_of = |prompt_tokens| {
        let mut call = called(1, 1, None);
        if let ExecutionEvent::ModelCalled(call) = &mut call {
            call.prompt_tokens = prompt_tokens;
        }
        call
    };
    refused([start(), call_of(-1)], "prompt_tokens is negative");
    refused([start(), call_of(i64::MAX), called(1, 2, None)], "prompt_tokens overflows");
    refused([start(), called(1, 1, Some(-5))], "cost_nano_usd is negative: -5");
    refused([start(), called(1, 1, Some(i64::MAX)), called(1, 2, Some(1))], "cost_nano_usd");
    refused([start(), completed(1, Some(-5))], "negative: -5");
}

#[test]
fn a_time_that_no_table_can_hold_is_refused() {
    let mut late = failed(1);
    if let ExecutionEvent::Failed(failed) = &mut late {
        failed.occurred_at = events::Timestamp::from_micros(i64::MAX);
    }
    refused([start(), late], "outside the years 1 to 9999");
}

#[test]
fn a_cost_that_a_leaderboard_cannot_hold_exactly_is_refused_there_alone() {
    let story = recorded([start(), called(1, 1, Some(1 << 53))]);
    given::<ExecutionsRedis>(story.clone()).refused(id(1), "more than a leaderboard holds");
    given::<ExecutionsPostgres>(story).at_version(id(1), 2);
}

#[test]
fn a_withdrawn_execution_has_no_view_until_it_is_started_anew() {
    let story = recorded([start(), called(1, 1, Some(5)), completed(1, Some(9)), withdrawn(1)]);
    given::<ExecutionsPostgres>(story.clone()).redelivered().then(id(1), None).at_version(id(1), 4);
    given::<ExecutionsRedis>(story).redelivered().then(id(1), None).at_version(id(1), 4);
    let story = recorded([start(), called(1, 1, Some(5)), withdrawn(1), start()]);
    given::<ExecutionsPostgres>(story.clone()).redelivered().then(id(1), Some(fresh_row()));
    given::<ExecutionsRedis>(story).redelivered().then(id(1), Some(fresh_live()));
    refused([start(), withdrawn(1), called(1, 1, None)], "has not started");
}
