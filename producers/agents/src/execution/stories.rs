//! The rules, told as stories.

use aggregate::given;
use events::execution::{
    ExecutionCancelled, ExecutionCompleted, ExecutionFailed, ExecutionJudged, ExecutionStarted, ModelCalled,
    ToolUsed, Verdict,
};
use events::{DomainEvent, ExecutionEvent, ExecutionId, NanoUsd, Timestamp};
use uuid::Uuid;

use super::*;

const RUN: ExecutionId = ExecutionId(Uuid::from_u128(1));

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

fn start() -> StartExecution {
    StartExecution {
        execution_id: RUN,
        occurred_at: at(0),
        workflow_id: None,
        task: "sympy__sympy-13798".into(),
        repository: "sympy".into(),
        model: "google/gemini-3-pro-preview".into(),
        agent: "mini-swe-agent 1.15.0".into(),
        prompt_id: None,
        prompt_version: None,
        step_limit: Some(2),
        cost_limit: Some(NanoUsd::new(10)),
        requested_by: None,
    }
}

fn call(step: i32) -> RecordModelCall {
    RecordModelCall {
        execution_id: RUN,
        occurred_at: at(step.into()),
        step,
        prompt_tokens: 1_531,
        completion_tokens: 186,
        reasoning_tokens: 115,
        cached_tokens: 0,
        latency_us: None,
        cost: Some(NanoUsd::new(5_294_000)),
        thought_bytes: 249,
    }
}

fn tool(step: i32) -> RecordToolUse {
    RecordToolUse {
        execution_id: RUN,
        occurred_at: at(step.into()),
        step,
        tool: Some("ls".into()),
        exit_code: Some(0),
        output_bytes: 337,
    }
}

fn complete() -> CompleteExecution {
    CompleteExecution {
        execution_id: RUN,
        occurred_at: at(90),
        exit_status: "Submitted".into(),
        patch_bytes: 791,
        api_calls: 1,
        reported_cost: Some(NanoUsd::new(381_713_200)),
    }
}

fn fail() -> FailExecution {
    FailExecution {
        execution_id: RUN,
        occurred_at: at(91),
        error_class: "Timeout".into(),
        message: String::new(),
    }
}

fn cancel() -> CancelExecution {
    CancelExecution { execution_id: RUN, occurred_at: at(92), reason: "too dear".into(), cancelled_by: None }
}

fn judge(verdict: Verdict) -> JudgeExecution {
    JudgeExecution { execution_id: RUN, occurred_at: at(93), judge: "swe-bench-verified".into(), verdict }
}

fn started() -> ExecutionEvent {
    ExecutionStarted::from(start()).into()
}

fn called(step: i32) -> ExecutionEvent {
    ModelCalled::from(call(step)).into()
}

fn used(step: i32) -> ExecutionEvent {
    ToolUsed::from(tool(step)).into()
}

fn completed() -> ExecutionEvent {
    ExecutionCompleted::from(complete()).into()
}

fn failed() -> ExecutionEvent {
    ExecutionFailed::from(fail()).into()
}

fn cancelled() -> ExecutionEvent {
    ExecutionCancelled::from(cancel()).into()
}

fn judged(verdict: Verdict) -> ExecutionEvent {
    ExecutionJudged::from(judge(verdict)).into()
}

#[test]
fn an_agent_is_set_to_work() {
    given::<Execution>([]).when(start()).then([started()]);
}

#[test]
fn starting_again_with_the_same_content_changes_nothing() {
    given::<Execution>([started()]).when(start()).then_nothing();
    given::<Execution>([started(), completed()]).when(start()).then_nothing();
}

#[test]
fn starting_again_as_something_else_is_refused() {
    let other = StartExecution { task: "another".into(), ..start() };
    given::<Execution>([started()]).when(other.clone()).rejected(Rejection::AlreadyStarted);
    given::<Execution>([started(), failed()]).when(other).rejected(Rejection::AlreadyStarted);
}

#[test]
fn nothing_happens_before_the_start() {
    let commands: [ExecutionCommand; 6] = [
        call(1).into(),
        tool(1).into(),
        complete().into(),
        fail().into(),
        cancel().into(),
        judge(Verdict::Resolved).into(),
    ];
    for command in commands {
        given::<Execution>([]).when(command).rejected(Rejection::NotStarted);
    }
}

#[test]
fn model_calls_count_from_one_without_a_gap() {
    given::<Execution>([started()]).when(call(1)).then([called(1)]);
    given::<Execution>([started(), called(1)]).when(call(2)).then([called(2)]);
    given::<Execution>([started()])
        .when(call(2))
        .rejected(Rejection::StepOutOfOrder { expected: 1, found: 2 });
    given::<Execution>([started()])
        .when(call(0))
        .rejected(Rejection::StepOutOfOrder { expected: 1, found: 0 });
    given::<Execution>([started(), called(1), called(2)])
        .when(call(1))
        .rejected(Rejection::StepOutOfOrder { expected: 3, found: 1 });
}

#[test]
fn the_last_model_call_may_be_told_twice_but_not_otherwise() {
    given::<Execution>([started(), called(1)]).when(call(1)).then_nothing();
    given::<Execution>([started(), called(1)])
        .when(RecordModelCall { prompt_tokens: 1, ..call(1) })
        .rejected(Rejection::StepOutOfOrder { expected: 2, found: 1 });
}

#[test]
fn a_tool_runs_for_the_last_model_call() {
    given::<Execution>([started(), called(1)]).when(tool(1)).then([used(1)]);
    given::<Execution>([started(), called(1), used(1)]).when(tool(1)).then([used(1)]);
    given::<Execution>([started()]).when(tool(1)).rejected(Rejection::NoModelCall);
    given::<Execution>([started(), called(1), called(2)])
        .when(tool(1))
        .rejected(Rejection::StepOutOfOrder { expected: 2, found: 1 });
}

#[test]
fn a_run_that_outspends_its_limits_is_recorded_as_it_was() {
    given::<Execution>([started(), called(1), called(2)]).when(call(3)).then([called(3)]);
}

#[test]
fn a_run_ends_once() {
    for (end, how) in
        [(completed(), Ended::Completed), (failed(), Ended::Failed), (cancelled(), Ended::Cancelled)]
    {
        let commands: [(ExecutionCommand, ExecutionEvent); 3] =
            [(complete().into(), completed()), (fail().into(), failed()), (cancel().into(), cancelled())];
        for (command, event) in commands {
            let asked = given::<Execution>([started(), end.clone()]).when(command);
            if event == end {
                asked.then_nothing();
            } else {
                asked.rejected(Rejection::AlreadyEnded { how });
            }
        }
        let ended = || given::<Execution>([started(), called(1), end.clone()]);
        ended().when(call(2)).rejected(Rejection::AlreadyEnded { how });
        ended().when(tool(1)).rejected(Rejection::AlreadyEnded { how });
    }
}

#[test]
fn only_completed_work_is_judged() {
    let verdict = Verdict::Resolved;
    given::<Execution>([started(), completed()]).when(judge(verdict)).then([judged(verdict)]);
    given::<Execution>([started()]).when(judge(verdict)).rejected(Rejection::StillRunning);
    given::<Execution>([started(), failed()])
        .when(judge(verdict))
        .rejected(Rejection::NothingToJudge { how: Ended::Failed });
    given::<Execution>([started(), cancelled()])
        .when(judge(verdict))
        .rejected(Rejection::NothingToJudge { how: Ended::Cancelled });
}

#[test]
fn a_judgement_stands() {
    let story = || given::<Execution>([started(), completed(), judged(Verdict::Resolved)]);
    story().when(judge(Verdict::Resolved)).then_nothing();
    story().when(judge(Verdict::Unresolved)).rejected(Rejection::AlreadyJudged {
        judge: "swe-bench-verified".into(),
        verdict: Verdict::Resolved,
    });
    given::<Execution>([started(), completed()])
        .when(judge(Verdict::Unknown))
        .rejected(Unacceptable::UnknownWord { field: "verdict", known: "RESOLVED, UNRESOLVED" });
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    let running = || given::<Execution>([started()]);
    running().when(RecordModelCall { cached_tokens: -1, ..call(1) }).rejected(Unacceptable::TooSmall {
        field: "cached_tokens",
        value: -1,
        min: 0,
    });
    running()
        .when(RecordModelCall { cost: Some(NanoUsd::new(-5)), ..call(1) })
        .rejected(Unacceptable::TooSmall { field: "cost_nano_usd", value: -5, min: 0 });
    running().when(CompleteExecution { api_calls: -3, ..complete() }).rejected(Unacceptable::TooSmall {
        field: "api_calls",
        value: -3,
        min: 0,
    });
}

#[test]
fn numbers_that_not_every_reader_could_hold_are_refused() {
    const EXACT: i64 = 9_007_199_254_740_991; // 2^53 - 1
    let running = || given::<Execution>([started()]);
    let large = |field, value, max| Unacceptable::TooLarge { field, value, max };
    let endless = RecordModelCall { prompt_tokens: 1_000_000_001, ..call(1) };
    running().when(endless).rejected(large("prompt_tokens", 1_000_000_001, 1_000_000_000));
    let dear = RecordModelCall { cost: Some(NanoUsd::new(EXACT)), ..call(1) };
    running().when(dear.clone()).then([ModelCalled::from(dear.clone()).into()]);
    let dearer = RecordModelCall { cost: Some(NanoUsd::new(EXACT + 1)), ..call(1) };
    running().when(dearer).rejected(large("cost_nano_usd", EXACT + 1, EXACT));
    let late = RecordModelCall { step: 1_000_001, ..call(1) };
    running().when(late).rejected(large("step", 1_000_001, 1_000_000));
    // The calls of a run add up.
    let spent = || given::<Execution>([started(), ModelCalled::from(dear.clone()).into()]);
    let more = RecordModelCall { cost: Some(NanoUsd::new(1)), ..call(2) };
    spent().when(more).rejected(large("cost_nano_usd", 1, 0));
    let free = RecordModelCall { cost: None, ..call(2) };
    spent().when(free.clone()).then([ModelCalled::from(free).into()]);
}

#[test]
fn texts_that_mean_nothing_or_cannot_be_kept_are_refused() {
    let blank = StartExecution { task: " ".into(), ..start() };
    given::<Execution>([]).when(blank).rejected(Unacceptable::BadText { field: "task", problem: "is blank" });
    let nul = FailExecution { message: "a\0b".into(), ..fail() };
    given::<Execution>([started()])
        .when(nul)
        .rejected(Unacceptable::BadText { field: "message", problem: "contains a NUL character" });
    let long = FailExecution { message: "x".repeat(65_537), ..fail() };
    given::<Execution>([started()]).when(long).rejected(Unacceptable::TooLong {
        field: "message",
        bytes: 65_537,
        max: 65_536,
    });
    // What names something is indexed by views.
    let longest = StartExecution { repository: "x".repeat(512), ..start() };
    given::<Execution>([]).when(longest.clone()).then([ExecutionStarted::from(longest).into()]);
    let longer = StartExecution { repository: "x".repeat(513), ..start() };
    given::<Execution>([]).when(longer).rejected(Unacceptable::TooLong {
        field: "repository",
        bytes: 513,
        max: 512,
    });
}

#[test]
fn a_time_that_not_every_reader_could_read_is_refused() {
    let late = StartExecution { occurred_at: Timestamp::from_micros(i64::MAX), ..start() };
    given::<Execution>([]).when(late).rejected(Unacceptable::TimeOutOfRange { micros: i64::MAX });
}

#[test]
fn a_command_for_another_execution_is_refused() {
    let found = ExecutionId(Uuid::from_u128(2));
    given::<Execution>([started()])
        .when(RecordModelCall { execution_id: found, ..call(1) })
        .rejected(Rejection::OtherExecution { expected: RUN, found });
}

#[test]
fn progress_is_the_sum_of_the_calls() {
    let state = given::<Execution>([started(), called(1), used(1), called(2)]).when(complete()).state();
    let progress = state.progress().expect("it started");
    assert_eq!((progress.steps(), progress.tool_uses), (2, 1));
    assert_eq!((progress.prompt_tokens, progress.cost), (3_062, NanoUsd::new(10_588_000)));
}

#[test]
fn an_execution_that_was_taken_back_may_be_started_anew() {
    let withdrawn = || ExecutionEvent::withdrawn(RUN.into(), at(99), "imported by mistake".into());
    let story = || given::<Execution>([started(), called(1), completed(), withdrawn()]);
    story().when(call(2)).rejected(Rejection::NotStarted);
    story().when(start()).then([started()]);
    given::<Execution>([started(), withdrawn(), started()]).when(call(1)).then([called(1)]);
}
