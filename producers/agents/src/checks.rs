//! What can be said of a command without knowing the execution's past.

use events::execution::Verdict;
use events::{NanoUsd, Timestamp};

use crate::{ExecutionCommand, Rejection};

/// The longest text a command may carry, so that no event comes near the size a topic takes (1 MiB).
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// 0001-01-01T00:00:00Z and the last microsecond of the year 9999.
const TIME_RANGE_MICROS: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

/// Refuses what no execution could accept.
pub(crate) fn check(command: &ExecutionCommand) -> Result<(), Rejection> {
    time(command.occurred_at())?;
    match command {
        ExecutionCommand::Start(start) => {
            word("task", &start.task)?;
            word("repository", &start.repository)?;
            word("model", &start.model)?;
            word("agent", &start.agent)?;
            optional(start.prompt_version, |n| at_least(1, "prompt_version", n.into()))?;
            optional(start.step_limit, |n| at_least(0, "step_limit", n.into()))?;
            money("cost_limit", start.cost_limit)?;
            optional(start.requested_by.as_deref(), |who| word("requested_by", who))
        }
        ExecutionCommand::RecordModelCall(call) => {
            at_least(0, "prompt_tokens", call.prompt_tokens)?;
            at_least(0, "completion_tokens", call.completion_tokens)?;
            at_least(0, "reasoning_tokens", call.reasoning_tokens)?;
            at_least(0, "cached_tokens", call.cached_tokens)?;
            at_least(0, "thought_bytes", call.thought_bytes)?;
            optional(call.latency_us, |n| at_least(0, "latency_us", n))?;
            money("cost", call.cost)
        }
        ExecutionCommand::RecordToolUse(tool) => {
            at_least(0, "output_bytes", tool.output_bytes)?;
            optional(tool.tool.as_deref(), |name| word("tool", name))
        }
        ExecutionCommand::Complete(complete) => {
            word("exit_status", &complete.exit_status)?;
            at_least(0, "patch_bytes", complete.patch_bytes)?;
            at_least(0, "api_calls", complete.api_calls.into())?;
            money("reported_cost", complete.reported_cost)
        }
        ExecutionCommand::Fail(fail) => {
            word("error_class", &fail.error_class)?;
            text("message", &fail.message)
        }
        ExecutionCommand::Cancel(cancel) => {
            word("reason", &cancel.reason)?;
            optional(cancel.cancelled_by.as_deref(), |who| word("cancelled_by", who))
        }
        ExecutionCommand::Judge(judge) => {
            word("judge", &judge.judge)?;
            match judge.verdict {
                Verdict::Resolved | Verdict::Unresolved => Ok(()),
                Verdict::Unknown => Err(Rejection::UnknownVerdict),
            }
        }
    }
}

fn optional<T>(value: Option<T>, check: impl FnOnce(T) -> Result<(), Rejection>) -> Result<(), Rejection> {
    value.map_or(Ok(()), check)
}

fn at_least(min: i64, field: &'static str, value: i64) -> Result<(), Rejection> {
    if value < min { Err(Rejection::TooSmall { field, value, min }) } else { Ok(()) }
}

fn money(field: &'static str, amount: Option<NanoUsd>) -> Result<(), Rejection> {
    optional(amount, |amount| at_least(0, field, amount.nanos()))
}

/// A text that must say something.
fn word(field: &'static str, value: &str) -> Result<(), Rejection> {
    if value.trim().is_empty() {
        return Err(Rejection::BadText { field, problem: "is blank" });
    }
    text(field, value)
}

/// A text that may be empty. Postgres cannot keep a NUL in text or jsonb.
fn text(field: &'static str, value: &str) -> Result<(), Rejection> {
    if value.len() > TEXT_BYTES_MAX {
        return Err(Rejection::BadText { field, problem: "is longer than 65536 bytes" });
    }
    if value.contains('\0') {
        return Err(Rejection::BadText { field, problem: "contains a NUL character" });
    }
    Ok(())
}

fn time(at: Timestamp) -> Result<(), Rejection> {
    let micros = at.micros();
    if TIME_RANGE_MICROS.contains(&micros) { Ok(()) } else { Err(Rejection::TimeOutOfRange { micros }) }
}
