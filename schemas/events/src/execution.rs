//! One run of one AI agent, from its start to its verdict.

use serde::{Deserialize, Serialize};

use crate::{ExecutionId, NanoUsd, PromptId, Timestamp, WorkflowId, event_set};

/// An agent was set to work on a task. Always the first event of an execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionStarted {
    /// The run.
    pub execution_id: ExecutionId,
    /// When it started.
    pub occurred_at: Timestamp,
    /// The workflow it is a part of, if any.
    pub workflow_id: Option<WorkflowId>,
    /// What is to be done, by name, such as `sympy__sympy-13798`.
    pub task: String,
    /// The code base it works on.
    pub repository: String,
    /// The model that is asked, such as `google/gemini-3-pro-preview`.
    pub model: String,
    /// The program that asks it, with its version.
    pub agent: String,
    /// The prompt it follows; absent when the source does not say.
    pub prompt_id: Option<PromptId>,
    /// Which version of the prompt.
    pub prompt_version: Option<i32>,
    /// The most model calls it may make.
    pub step_limit: Option<i32>,
    /// The most it may cost.
    #[serde(rename = "cost_limit_nano_usd")]
    pub cost_limit: Option<NanoUsd>,
    /// The person who asked for it. Personal.
    pub requested_by: Option<String>,
}

/// The model answered once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelCalled {
    /// The run.
    pub execution_id: ExecutionId,
    /// When the answer arrived.
    pub occurred_at: Timestamp,
    /// Which call of the run, from 1.
    pub step: i32,
    /// Tokens sent, cached ones included.
    pub prompt_tokens: i64,
    /// Tokens answered, reasoning included.
    pub completion_tokens: i64,
    /// Of those answered, the ones spent on reasoning.
    pub reasoning_tokens: i64,
    /// Of those sent, the ones the provider had cached.
    pub cached_tokens: i64,
    /// From request to answer, in microseconds; absent when not measured.
    pub latency_us: Option<i64>,
    /// What the call cost; absent when the provider did not report it.
    #[serde(rename = "cost_nano_usd")]
    pub cost: Option<NanoUsd>,
    /// Length of the model's thought, in bytes.
    pub thought_bytes: i64,
}

/// The agent ran a tool because the model said so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolUsed {
    /// The run.
    pub execution_id: ExecutionId,
    /// When it ran.
    pub occurred_at: Timestamp,
    /// The step that asked for it.
    pub step: i32,
    /// First word of the command; absent when it could not be told.
    pub tool: Option<String>,
    /// What the tool returned; absent when none was reported.
    pub exit_code: Option<i32>,
    /// Length of its output, in bytes.
    pub output_bytes: i64,
}

/// The agent handed in its work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionCompleted {
    /// The run.
    pub execution_id: ExecutionId,
    /// When it ended.
    pub occurred_at: Timestamp,
    /// The agent's own word for how it ended, such as `Submitted`.
    pub exit_status: String,
    /// Length of the patch it handed in, in bytes.
    pub patch_bytes: i64,
    /// Model calls as the agent counted them.
    pub api_calls: i32,
    /// Cost of the whole run as the agent reported it; need not equal the sum of its calls.
    #[serde(rename = "reported_cost_nano_usd")]
    pub reported_cost: Option<NanoUsd>,
}

/// The run broke off by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionFailed {
    /// The run.
    pub execution_id: ExecutionId,
    /// When it broke off.
    pub occurred_at: Timestamp,
    /// What kind of failure, such as `StepLimitReached`.
    pub error_class: String,
    /// What the program said. Personal: it may quote a user's input.
    pub message: String,
}

/// Somebody stopped the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionCancelled {
    /// The run.
    pub execution_id: ExecutionId,
    /// When it was stopped.
    pub occurred_at: Timestamp,
    /// Why, in the words of whoever did it. Personal: it may name people.
    pub reason: String,
    /// The person who did; absent when a program did. Personal.
    pub cancelled_by: Option<String>,
}

/// The work of a completed run was judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionJudged {
    /// The run.
    pub execution_id: ExecutionId,
    /// When it was judged.
    pub occurred_at: Timestamp,
    /// The benchmark or procedure that judged, such as `swe-bench-verified`; never a person's name.
    pub judge: String,
    /// The judgement.
    pub verdict: Verdict,
}

/// Whether the work does what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// It does.
    Resolved,
    /// It does not.
    Unresolved,
    /// A verdict this program does not know; the schema's default.
    #[serde(other)]
    Unknown,
}

/// The run was taken back as a whole: it counts no more, and may be started anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionWithdrawn {
    /// The run.
    pub execution_id: ExecutionId,
    /// When it was taken back.
    pub occurred_at: Timestamp,
    /// Why, in words that name nobody.
    pub reason: String,
}

event_set! {
    /// Everything that can happen to an execution.
    ExecutionEvent, topic "agents.execution.events", aggregate "execution", id execution_id,
    withdrawn ExecutionWithdrawn, schemas "../avro";
    Started(ExecutionStarted) version 1 personal requested_by;
    ModelCalled(ModelCalled) version 1;
    ToolUsed(ToolUsed) version 1;
    Completed(ExecutionCompleted) version 1;
    Failed(ExecutionFailed) version 1 personal message;
    Cancelled(ExecutionCancelled) version 1 personal reason cancelled_by;
    Judged(ExecutionJudged) version 1;
    Withdrawn(ExecutionWithdrawn) version 1;
}
