//! Any event at all.

use events::execution::*;
use events::{ExecutionEvent, ExecutionId, NanoUsd, PromptId, Timestamp, WorkflowId};
use proptest::option::of;
use proptest::prelude::*;

pub(crate) fn event() -> impl Strategy<Value = ExecutionEvent> {
    prop_oneof![started(), called(), used(), completed(), failed(), cancelled(), judged()]
}

/// Whose event it is, and when it happened.
fn of_run() -> impl Strategy<Value = (ExecutionId, Timestamp)> {
    (any::<u128>(), any::<i64>()).prop_map(|(id, at)| (ExecutionId(uuid(id)), Timestamp::from_micros(at)))
}

fn uuid(bits: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(bits)
}

fn money() -> impl Strategy<Value = Option<NanoUsd>> {
    of(any::<i64>().prop_map(NanoUsd::new))
}

fn started() -> BoxedStrategy<ExecutionEvent> {
    let refs = (of(any::<u128>()), of(any::<u128>()), of(any::<i32>()), of(any::<i32>()), money());
    let texts = (any::<String>(), any::<String>(), any::<String>(), any::<String>(), of(any::<String>()));
    (of_run(), refs, texts)
        .prop_map(|((execution_id, occurred_at), refs, (task, repository, model, agent, requested_by))| {
            let (workflow_id, prompt_id, prompt_version, step_limit, cost_limit) = refs;
            let workflow_id = workflow_id.map(|id| WorkflowId(uuid(id)));
            let prompt_id = prompt_id.map(|id| PromptId(uuid(id)));
            ExecutionStarted {
                execution_id,
                occurred_at,
                workflow_id,
                task,
                repository,
                model,
                agent,
                prompt_id,
                prompt_version,
                step_limit,
                cost_limit,
                requested_by,
            }
            .into()
        })
        .boxed()
}

fn called() -> BoxedStrategy<ExecutionEvent> {
    (of_run(), any::<i32>(), any::<[i64; 5]>(), of(any::<i64>()), money())
        .prop_map(|((execution_id, occurred_at), step, [a, b, c, d, thought_bytes], latency_us, cost)| {
            ModelCalled {
                execution_id,
                occurred_at,
                step,
                prompt_tokens: a,
                completion_tokens: b,
                reasoning_tokens: c,
                cached_tokens: d,
                latency_us,
                cost,
                thought_bytes,
            }
            .into()
        })
        .boxed()
}

fn used() -> BoxedStrategy<ExecutionEvent> {
    (of_run(), any::<i32>(), of(any::<String>()), of(any::<i32>()), any::<i64>())
        .prop_map(|((execution_id, occurred_at), step, tool, exit_code, output_bytes)| {
            ToolUsed { execution_id, occurred_at, step, tool, exit_code, output_bytes }.into()
        })
        .boxed()
}

fn completed() -> BoxedStrategy<ExecutionEvent> {
    (of_run(), any::<String>(), any::<i64>(), any::<i32>(), money())
        .prop_map(|((execution_id, occurred_at), exit_status, patch_bytes, api_calls, reported_cost)| {
            ExecutionCompleted {
                execution_id,
                occurred_at,
                exit_status,
                patch_bytes,
                api_calls,
                reported_cost,
            }
            .into()
        })
        .boxed()
}

fn failed() -> BoxedStrategy<ExecutionEvent> {
    (of_run(), any::<String>(), any::<String>())
        .prop_map(|((execution_id, occurred_at), error_class, message)| {
            ExecutionFailed { execution_id, occurred_at, error_class, message }.into()
        })
        .boxed()
}

fn cancelled() -> BoxedStrategy<ExecutionEvent> {
    (of_run(), any::<String>(), of(any::<String>()))
        .prop_map(|((execution_id, occurred_at), reason, cancelled_by)| {
            ExecutionCancelled { execution_id, occurred_at, reason, cancelled_by }.into()
        })
        .boxed()
}

fn judged() -> BoxedStrategy<ExecutionEvent> {
    let verdict = prop_oneof![Just(Verdict::Resolved), Just(Verdict::Unresolved), Just(Verdict::Unknown)];
    (of_run(), any::<String>(), verdict)
        .prop_map(|((execution_id, occurred_at), judge, verdict)| {
            ExecutionJudged { execution_id, occurred_at, judge, verdict }.into()
        })
        .boxed()
}
