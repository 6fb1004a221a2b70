//! What can be said of a command without knowing the execution's past.

use events::execution::Verdict;

use super::ExecutionCommand;
use crate::Unacceptable;
use crate::checks::{STEPS_MAX, at_least, at_most, money, name, optional, text, time, tokens, words};

/// Refuses what no execution could accept.
pub(crate) fn check(command: &ExecutionCommand) -> Result<(), Unacceptable> {
    time(command.occurred_at())?;
    match command {
        ExecutionCommand::StartExecution(start) => {
            name("task", &start.task)?;
            name("repository", &start.repository)?;
            name("model", &start.model)?;
            name("agent", &start.agent)?;
            optional(start.prompt_version, |n| at_least(1, "prompt_version", n.into()))?;
            optional(start.step_limit, |n| at_least(0, "step_limit", n.into()))?;
            money("cost_limit_nano_usd", start.cost_limit)?;
            optional(start.requested_by.as_deref(), |who| name("requested_by", who))
        }
        ExecutionCommand::RecordModelCall(call) => {
            at_most(STEPS_MAX, "step", call.step.into())?;
            tokens("prompt_tokens", call.prompt_tokens)?;
            tokens("completion_tokens", call.completion_tokens)?;
            tokens("reasoning_tokens", call.reasoning_tokens)?;
            tokens("cached_tokens", call.cached_tokens)?;
            at_least(0, "thought_bytes", call.thought_bytes)?;
            optional(call.latency_us, |n| at_least(0, "latency_us", n))?;
            money("cost_nano_usd", call.cost)
        }
        ExecutionCommand::RecordToolUse(tool) => {
            at_least(0, "output_bytes", tool.output_bytes)?;
            optional(tool.tool.as_deref(), |tool| name("tool", tool))
        }
        ExecutionCommand::CompleteExecution(complete) => {
            name("exit_status", &complete.exit_status)?;
            at_least(0, "patch_bytes", complete.patch_bytes)?;
            at_least(0, "api_calls", complete.api_calls.into())?;
            money("reported_cost_nano_usd", complete.reported_cost)
        }
        ExecutionCommand::FailExecution(fail) => {
            name("error_class", &fail.error_class)?;
            text("message", &fail.message)
        }
        ExecutionCommand::CancelExecution(cancel) => {
            words("reason", &cancel.reason)?;
            optional(cancel.cancelled_by.as_deref(), |who| name("cancelled_by", who))
        }
        ExecutionCommand::JudgeExecution(judge) => {
            name("judge", &judge.judge)?;
            match judge.verdict {
                Verdict::Resolved | Verdict::Unresolved => Ok(()),
                Verdict::Unknown => {
                    Err(Unacceptable::UnknownWord { field: "verdict", known: "RESOLVED, UNRESOLVED" })
                }
            }
        }
    }
}
