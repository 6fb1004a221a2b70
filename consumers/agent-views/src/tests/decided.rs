//! Histories as the rules themselves decide them, up to the most that they allow.

use agents::execution::{
    CancelExecution, CompleteExecution, FailExecution, JudgeExecution, RecordModelCall, RecordToolUse,
    StartExecution,
};
use agents::{Execution, ExecutionCommand};
use aggregate::Aggregate;
use events::execution::Verdict;
use events::{ExecutionEvent, NanoUsd, Recorded, Timestamp};
use proptest::prelude::*;

use super::histories::{id, recorded};

/// 2^53 - 1.
const EXACT_MAX: i64 = 9_007_199_254_740_991;

/// Numbers around every bound there is; the rules choose.
fn number() -> impl Strategy<Value = i64> {
    let extremes = vec![-1, 1_000_000_000, 1_000_000_001, EXACT_MAX, EXACT_MAX + 1, i64::MAX, i64::MIN];
    prop_oneof![4 => 0..5_000_i64, 1 => prop::sample::select(extremes)]
}

/// Names around every bound there is.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-c]",
        1 => prop::sample::select(vec![512, 513, 10_000]).prop_map(|length| "x".repeat(length)),
        1 => Just("@google/gemini".to_owned()),
        1 => Just("\0".to_owned()),
    ]
}

fn time() -> impl Strategy<Value = Timestamp> {
    let bounds = vec![-62_135_596_800_000_001, -62_135_596_800_000_000, 253_402_300_799_999_999, i64::MAX];
    prop_oneof![9 => 0..9_i64, 1 => prop::sample::select(bounds)].prop_map(Timestamp::from_micros)
}

fn start(occurred_at: Timestamp, name: &str, limit: i64) -> ExecutionCommand {
    StartExecution {
        execution_id: id(1),
        occurred_at,
        workflow_id: None,
        task: name.to_owned(),
        repository: name.to_owned(),
        model: name.to_owned(),
        agent: name.to_owned(),
        prompt_id: None,
        prompt_version: None,
        step_limit: None,
        cost_limit: Some(NanoUsd::new(limit)),
        requested_by: None,
    }
    .into()
}

fn call(occurred_at: Timestamp, step: i32, tokens: i64, cost: Option<i64>) -> ExecutionCommand {
    RecordModelCall {
        execution_id: id(1),
        occurred_at,
        step,
        prompt_tokens: tokens,
        completion_tokens: tokens,
        reasoning_tokens: tokens,
        cached_tokens: tokens,
        latency_us: None,
        cost: cost.map(NanoUsd::new),
        thought_bytes: tokens,
    }
    .into()
}

fn complete(occurred_at: Timestamp, name: &str, amount: i64, cost: Option<i64>) -> ExecutionCommand {
    CompleteExecution {
        execution_id: id(1),
        occurred_at,
        exit_status: name.to_owned(),
        patch_bytes: amount,
        api_calls: 1,
        reported_cost: cost.map(NanoUsd::new),
    }
    .into()
}

fn command() -> impl Strategy<Value = ExecutionCommand> {
    let verdict = prop::sample::select(vec![Verdict::Resolved, Verdict::Unresolved, Verdict::Unknown]);
    let cost = prop::option::of(number());
    (time(), name(), number(), cost, 1..6_i32, verdict, 0..16_u8).prop_map(
        |(occurred_at, name, number, cost, step, verdict, kind)| {
            let execution_id = id(1);
            match kind {
                0..=3 => start(occurred_at, &name, number),
                4..=9 => call(occurred_at, step, number, cost),
                10..=12 => RecordToolUse {
                    execution_id,
                    occurred_at,
                    step,
                    tool: Some(name),
                    exit_code: Some(step - 2),
                    output_bytes: number,
                }
                .into(),
                13 => complete(occurred_at, &name, number, cost),
                14 => match verdict {
                    Verdict::Unknown => {
                        CancelExecution { execution_id, occurred_at, reason: name, cancelled_by: None }.into()
                    }
                    _ => {
                        FailExecution { execution_id, occurred_at, error_class: name.clone(), message: name }
                            .into()
                    }
                },
                _ => JudgeExecution { execution_id, occurred_at, judge: name, verdict }.into(),
            }
        },
    )
}

/// What the rules make of these commands; what they refuse did not happen.
fn history(commands: impl IntoIterator<Item = ExecutionCommand>) -> Vec<Recorded<ExecutionEvent>> {
    let (mut state, mut history) = (Execution::default(), Vec::new());
    for command in commands {
        let Ok(events) = state.decide(command) else { continue };
        state = events.iter().fold(state, Execution::evolve);
        history.extend(events);
    }
    recorded(history)
}

/// Commands at random, as far as the rules agree.
pub(super) fn decided() -> impl Strategy<Value = Vec<Recorded<ExecutionEvent>>> {
    prop::collection::vec(command(), 0..80).prop_map(history)
}

/// A run that says as much as it may: the longest names, the most tokens of a call, all the money there is.
pub(super) fn fullest() -> Vec<Recorded<ExecutionEvent>> {
    let (at, name) = (Timestamp::from_micros(253_402_300_799_999_999), "x".repeat(512));
    let commands = [
        start(at, &name, EXACT_MAX),
        call(at, 1, 1_000_000_000, Some(EXACT_MAX - 1)),
        call(at, 2, 1_000_000_000, Some(1)),
        complete(at, &name, EXACT_MAX, Some(EXACT_MAX)),
    ];
    let events = history(commands);
    assert_eq!(events.len(), 4, "the rules allow it: {events:?}");
    events
}
