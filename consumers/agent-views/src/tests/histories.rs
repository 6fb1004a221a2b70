//! Events to tell stories with, and histories as the rules of an execution allow them.

use events::execution::{
    ExecutionCancelled, ExecutionCompleted, ExecutionFailed, ExecutionJudged, ExecutionStarted, ModelCalled,
    ToolUsed, Verdict,
};
use events::{DomainEvent, EventId, ExecutionEvent, ExecutionId, Metadata, NanoUsd, Recorded, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

/// 2026-11-21T03:46:19Z.
const START_MICROS: i64 = 1_795_232_779_000_000;

pub(super) fn id(n: u128) -> ExecutionId {
    ExecutionId(Uuid::from_u128(n))
}

/// So many seconds after the start.
pub(super) fn after(seconds: i64) -> Timestamp {
    Timestamp::from_micros(START_MICROS + seconds * 1_000_000)
}

/// Gives `events` of one execution their place in its history, from version 1.
pub(super) fn recorded(events: impl IntoIterator<Item = ExecutionEvent>) -> Vec<Recorded<ExecutionEvent>> {
    let place = |(payload, version): (ExecutionEvent, u64)| {
        let aggregate_id = events::DomainEvent::aggregate_id(&payload);
        Recorded {
            tenant: "acme".parse().unwrap(),
            aggregate_id,
            version,
            event_id: EventId(Uuid::from_u128(aggregate_id.0.as_u128() << 64 | u128::from(version))),
            recorded_at: after(100),
            metadata: Metadata::default(),
            payload,
        }
    };
    events.into_iter().zip(1..).map(place).collect()
}

pub(super) fn started(n: u128, repository: &str, model: &str) -> ExecutionEvent {
    ExecutionStarted {
        execution_id: id(n),
        occurred_at: after(0),
        workflow_id: None,
        task: "sympy__sympy-13798".into(),
        repository: repository.into(),
        model: model.into(),
        agent: "mini-swe-agent 1.15.0".into(),
        prompt_id: None,
        prompt_version: None,
        step_limit: Some(250),
        cost_limit: Some(NanoUsd::new(3_000_000_000)),
        requested_by: Some("somebody@example.com".into()),
    }
    .into()
}

pub(super) fn called(n: u128, step: i32, cost: Option<i64>) -> ExecutionEvent {
    ModelCalled {
        execution_id: id(n),
        occurred_at: after(step.into()),
        step,
        prompt_tokens: 1000,
        completion_tokens: 100,
        reasoning_tokens: 40,
        cached_tokens: 500,
        latency_us: None,
        cost: cost.map(NanoUsd::new),
        thought_bytes: 7,
    }
    .into()
}

pub(super) fn used(n: u128, step: i32, tool: Option<&str>, exit_code: Option<i32>) -> ExecutionEvent {
    let (execution_id, occurred_at) = (id(n), after(step.into()));
    ToolUsed { execution_id, occurred_at, step, tool: tool.map(Into::into), exit_code, output_bytes: 9 }
        .into()
}

pub(super) fn completed(n: u128, reported_cost: Option<i64>) -> ExecutionEvent {
    ExecutionCompleted {
        execution_id: id(n),
        occurred_at: after(60),
        exit_status: "Submitted".into(),
        patch_bytes: 791,
        api_calls: 2,
        reported_cost: reported_cost.map(NanoUsd::new),
    }
    .into()
}

pub(super) fn failed(n: u128) -> ExecutionEvent {
    ExecutionFailed {
        execution_id: id(n),
        occurred_at: after(61),
        error_class: "StepLimitReached".into(),
        message: "what somebody typed".into(),
    }
    .into()
}

pub(super) fn cancelled(n: u128) -> ExecutionEvent {
    let (execution_id, occurred_at) = (id(n), after(62));
    ExecutionCancelled { execution_id, occurred_at, reason: "budget".into(), cancelled_by: None }.into()
}

pub(super) fn judged(n: u128, verdict: Verdict) -> ExecutionEvent {
    let (execution_id, occurred_at) = (id(n), after(90));
    ExecutionJudged { execution_id, occurred_at, judge: "swe-bench-verified".into(), verdict }.into()
}

pub(super) fn withdrawn(n: u128) -> ExecutionEvent {
    ExecutionEvent::withdrawn(id(n).into(), after(95), "imported by mistake".into())
}

/// Runs of one execution: each but the last was taken back.
pub(super) fn history(n: u128) -> impl Strategy<Value = Vec<Recorded<ExecutionEvent>>> {
    (prop::collection::vec(run(n), 0..2), run(n), any::<bool>()).prop_map(
        move |(runs, last, is_taken_back)| {
            let mut events: Vec<_> =
                runs.into_iter().flat_map(|run| run.into_iter().chain([withdrawn(n)])).collect();
            events.extend(last);
            events.extend(is_taken_back.then(|| withdrawn(n)));
            recorded(events)
        },
    )
}

/// A whole run: it starts, it works step by step, it may end, and completed work may be judged.
pub(super) fn run(n: u128) -> impl Strategy<Value = Vec<ExecutionEvent>> {
    let step = (
        0i64..1 << 40,
        0i64..1 << 40,
        prop::option::of(0i64..1 << 40),
        prop::collection::vec((prop::option::of("[a-z]{1,8}"), prop::option::of(-1i32..130)), 0..3),
    );
    let verdict = prop::option::of(prop::sample::select(vec![
        Verdict::Resolved,
        Verdict::Unresolved,
        Verdict::Unknown,
    ]));
    let end = prop_oneof![
        Just(vec![]),
        Just(vec![failed(n)]),
        Just(vec![cancelled(n)]),
        (prop::option::of(0i64..1 << 50), verdict).prop_map(move |(cost, verdict)| {
            std::iter::once(completed(n, cost)).chain(verdict.map(|verdict| judged(n, verdict))).collect()
        }),
    ];
    let start = ("django|sympy", "@?google/(gemini|gemma)");
    (start, prop::collection::vec(step, 0..12), end).prop_map(move |((repository, model), steps, end)| {
        let mut events = vec![started(n, &repository, &model)];
        for (number, (sent, answered, cost, uses)) in (1..).zip(steps) {
            let mut call = called(n, number, cost);
            if let ExecutionEvent::ModelCalled(call) = &mut call {
                (call.prompt_tokens, call.completion_tokens) = (sent, answered);
            }
            events.push(call);
            events.extend(uses.iter().map(|(tool, exit)| used(n, number, tool.as_deref(), *exit)));
        }
        events.extend(end);
        events
    })
}
