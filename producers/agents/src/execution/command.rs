//! What somebody wants to happen to an execution.

use events::execution::{
    ExecutionCancelled, ExecutionCompleted, ExecutionFailed, ExecutionJudged, ExecutionStarted, ModelCalled,
    ToolUsed, Verdict,
};
use events::{ExecutionId, NanoUsd, PromptId, WorkflowId};

use crate::commands::commands;

commands! {
    /// Everything that can be asked of an execution.
    ExecutionCommand, id execution_id: ExecutionId, collection "executions", examples "examples.json";

    /// Set an agent to work. Asking twice with the same content changes nothing.
    StartExecution => ExecutionStarted {
        workflow_id: Option<WorkflowId>,
        task: String,
        repository: String,
        model: String,
        agent: String,
        prompt_id: Option<PromptId>,
        prompt_version: Option<i32>,
        step_limit: Option<i32>,
        #[serde(rename = "cost_limit_nano_usd")]
        cost_limit: Option<NanoUsd>,
        requested_by: Option<String>,
    }

    /// Note an answer of the model. Its step is its identity: the last one with the same content changes nothing.
    RecordModelCall => ModelCalled {
        step: i32,
        prompt_tokens: i64,
        completion_tokens: i64,
        reasoning_tokens: i64,
        cached_tokens: i64,
        latency_us: Option<i64>,
        #[serde(rename = "cost_nano_usd")]
        cost: Option<NanoUsd>,
        thought_bytes: i64,
    }

    /// Note a tool that ran for the last model call. A call may ask for several, so each is a fact of its own.
    RecordToolUse => ToolUsed {
        step: i32,
        tool: Option<String>,
        exit_code: Option<i32>,
        output_bytes: i64,
    }

    /// Hand in the work.
    CompleteExecution => ExecutionCompleted {
        exit_status: String,
        patch_bytes: i64,
        api_calls: i32,
        #[serde(rename = "reported_cost_nano_usd")]
        reported_cost: Option<NanoUsd>,
    }

    /// Say that the run broke off.
    FailExecution => ExecutionFailed {
        error_class: String,
        message: String,
    }

    /// Stop the run.
    CancelExecution => ExecutionCancelled {
        reason: String,
        cancelled_by: Option<String>,
    }

    /// Judge completed work.
    JudgeExecution => ExecutionJudged {
        judge: String,
        verdict: Verdict,
    }
}
