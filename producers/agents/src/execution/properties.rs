//! What holds for every sequence of commands, sensible or not.

use aggregate::Aggregate;
use events::execution::{ExecutionStarted, Verdict};
use events::{DomainEvent, ExecutionEvent, ExecutionId, NanoUsd, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::checks::{EXACT_MAX, TOKENS_MAX};
use crate::laws;

fn count() -> impl Strategy<Value = i64> {
    let extremes = prop::sample::select(vec![-1, TOKENS_MAX, TOKENS_MAX + 1, EXACT_MAX, i64::MAX, i64::MIN]);
    prop_oneof![8 => 0..2_000_i64, 3 => extremes]
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![8 => "[a-c]", 1 => Just(String::new()), 1 => Just("\0".to_owned())]
}

fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![9 => 0..3_i64, 1 => any::<i64>()].prop_map(Timestamp::from_micros)
}

fn id() -> impl Strategy<Value = ExecutionId> {
    prop_oneof![9 => Just(1_u128), 1 => Just(2)].prop_map(|n| ExecutionId(Uuid::from_u128(n)))
}

fn step() -> impl Strategy<Value = i32> {
    prop_oneof![9 => 1..5_i32, 1 => any::<i32>()]
}

/// From small domains, so that repetitions, conflicts and legal successors all come up often.
fn command() -> impl Strategy<Value = ExecutionCommand> {
    let verdict = prop_oneof![Just(Verdict::Resolved), Just(Verdict::Unresolved), Just(Verdict::Unknown)];
    (id(), time(), word(), count(), step(), verdict, 0..10_u8).prop_map(
        |(execution_id, occurred_at, word, count, step, verdict, kind)| match kind {
            0 | 1 => StartExecution {
                execution_id,
                occurred_at,
                workflow_id: None,
                task: word.clone(),
                repository: word.clone(),
                model: word.clone(),
                agent: word,
                prompt_id: None,
                prompt_version: None,
                step_limit: None,
                cost_limit: Some(NanoUsd::new(count)),
                requested_by: None,
            }
            .into(),
            2..=4 => RecordModelCall {
                execution_id,
                occurred_at,
                step,
                prompt_tokens: count.min(TOKENS_MAX),
                completion_tokens: 1,
                reasoning_tokens: 0,
                cached_tokens: 0,
                latency_us: None,
                cost: Some(NanoUsd::new(count)),
                thought_bytes: 0,
            }
            .into(),
            5 | 6 => RecordToolUse {
                execution_id,
                occurred_at,
                step,
                tool: Some(word),
                exit_code: None,
                output_bytes: count,
            }
            .into(),
            7 => CompleteExecution {
                execution_id,
                occurred_at,
                exit_status: word,
                patch_bytes: count,
                api_calls: step,
                reported_cost: None,
            }
            .into(),
            8 if count % 2 == 0 => {
                FailExecution { execution_id, occurred_at, error_class: word.clone(), message: word }.into()
            }
            8 => CancelExecution { execution_id, occurred_at, reason: word, cancelled_by: None }.into(),
            _ => JudgeExecution { execution_id, occurred_at, judge: word, verdict }.into(),
        },
    )
}

fn is_end(event: &ExecutionEvent) -> bool {
    matches!(event, ExecutionEvent::Completed(_) | ExecutionEvent::Failed(_) | ExecutionEvent::Cancelled(_))
}

/// Any event of the set, whether it fits or not: what the commands say, taken as facts.
fn any_event() -> impl Strategy<Value = ExecutionEvent> {
    prop_oneof![9 => told_event(), 1 => laws::withdrawn::<ExecutionEvent>(ExecutionId(Uuid::from_u128(1)))]
}

fn told_event() -> impl Strategy<Value = ExecutionEvent> {
    command().prop_map(|command| match command {
        ExecutionCommand::StartExecution(it) => ExecutionStarted::from(it).into(),
        ExecutionCommand::RecordModelCall(it) => events::execution::ModelCalled::from(it).into(),
        ExecutionCommand::RecordToolUse(it) => events::execution::ToolUsed::from(it).into(),
        ExecutionCommand::CompleteExecution(it) => events::execution::ExecutionCompleted::from(it).into(),
        ExecutionCommand::FailExecution(it) => events::execution::ExecutionFailed::from(it).into(),
        ExecutionCommand::CancelExecution(it) => events::execution::ExecutionCancelled::from(it).into(),
        ExecutionCommand::JudgeExecution(it) => events::execution::ExecutionJudged::from(it).into(),
    })
}

proptest! {
    #[test]
    fn every_decided_history_is_one_a_reader_can_rely_on(commands in prop::collection::vec(command(), 0..60)) {
        let has_identity = |command: &_| !matches!(command, ExecutionCommand::RecordToolUse(_));
        let (history, _) = laws::run::<Execution>(commands, has_identity);
        let (mut steps, mut cost) = (0, 0_i64);
        for (place, event) in history.iter().enumerate() {
            prop_assert_eq!(event.aggregate_id(), history[0].aggregate_id());
            prop_assert_eq!(place == 0, matches!(event, ExecutionEvent::Started(_)));
            match event {
                ExecutionEvent::ModelCalled(call) => {
                    steps += 1;
                    prop_assert_eq!(call.step, steps);
                    prop_assert!((0..=TOKENS_MAX).contains(&call.prompt_tokens));
                    prop_assert!(call.cost.unwrap_or_default() >= NanoUsd::ZERO);
                    cost = cost.checked_add(call.cost.unwrap_or_default().nanos()).unwrap();
                    prop_assert!(cost <= EXACT_MAX, "the costs add up to a number that every reader holds");
                }
                ExecutionEvent::ToolUsed(tool) => prop_assert_eq!(tool.step, steps),
                _ => {}
            }
        }
        let ends: Vec<usize> = (0..history.len()).filter(|&place| is_end(&history[place])).collect();
        prop_assert!(ends.len() <= 1, "it ends at most once");
        if let Some(&end) = ends.first() {
            let rest = &history[end + 1..];
            prop_assert!(rest.len() <= 1, "only a judgement follows the end");
            if let [judged] = rest {
                let fits = matches!(
                    (&history[end], judged),
                    (ExecutionEvent::Completed(_), ExecutionEvent::Judged(_))
                );
                prop_assert!(fits, "only completed work is judged");
            }
        } else {
            let judged = history.iter().any(|event| matches!(event, ExecutionEvent::Judged(_)));
            prop_assert!(!judged);
        }
    }

    #[test]
    fn evolve_takes_any_history_without_a_panic(history in prop::collection::vec(any_event(), 0..40)) {
        let state = Execution::replay(&history);
        let since = history.rsplit(|event| matches!(event, ExecutionEvent::Withdrawn(_))).next().unwrap_or_default();
        let has_started = since.iter().any(|event| matches!(event, ExecutionEvent::Started(_)));
        prop_assert_eq!(state.progress().is_some(), has_started);
    }

    #[test]
    fn the_laws_of_aggregates_hold(
        history in prop::collection::vec(any_event(), 0..40),
        command in command(),
    ) {
        laws::hold::<Execution>(&history, command, ExecutionCommand::aggregate_id);
    }
}
