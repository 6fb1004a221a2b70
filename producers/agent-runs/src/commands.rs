//! A run as commands, and the events they lead to.

use agents::{
    CompleteExecution, ExecutionCommand, JudgeExecution, RecordModelCall, RecordToolUse, StartExecution,
};
use events::execution::Verdict;
use events::{EventId, ExecutionId, TenantId, Timestamp};
use uuid::Uuid;

use crate::{AgentRun, AgentStep};

/// The root of all ids derived here: a run imported twice is the same execution.
const NAMESPACE: Uuid = Uuid::from_u128(0x6d1c_62a4_0f0e_5c8b_9b51_3f3c_7a2e_90d1);

/// Who judged the runs of the sample.
const JUDGE: &str = "swe-bench-verified";

/// The execution that a run of the source becomes for `tenant`.
pub fn execution_id(tenant: &TenantId, run: &AgentRun) -> ExecutionId {
    ExecutionId(Uuid::new_v5(&NAMESPACE, format!("{tenant}/{}", run.run_id).as_bytes()))
}

/// The id of the event that becomes `version` of an imported execution.
pub fn event_id(execution_id: ExecutionId, version: u64) -> EventId {
    EventId(Uuid::new_v5(&execution_id.0, &version.to_be_bytes()))
}

/// The run told as the commands that a live agent would have sent.
///
/// The source gives no time of the start, the end or the verdict: they take the first and the last step's.
pub fn commands(run: &AgentRun, execution_id: ExecutionId) -> Vec<ExecutionCommand> {
    let (first, last) = match (run.steps.first(), run.steps.last()) {
        (Some(first), Some(last)) => (moment(first), moment(last)),
        _ => return Vec::new(),
    };
    let mut commands = Vec::with_capacity(run.steps.len() * 2 + 3);
    commands.push(
        StartExecution {
            execution_id,
            occurred_at: first,
            workflow_id: None,
            task: run.task.clone(),
            repository: run.repository.clone(),
            model: run.model.clone(),
            agent: run.agent.clone(),
            prompt_id: None,
            prompt_version: None,
            step_limit: run.step_limit,
            cost_limit: run.cost_limit_usd.map(|dollars| dollars.0),
            requested_by: None,
        }
        .into(),
    );
    for (step, number) in run.steps.iter().zip(1..) {
        commands.push(model_call(step, number, execution_id));
        commands.extend(tool_use(step, number, execution_id));
    }
    commands.push(
        CompleteExecution {
            execution_id,
            occurred_at: last,
            exit_status: run.exit_status.clone(),
            patch_bytes: run.patch_bytes.into(),
            api_calls: run.api_calls,
            reported_cost: run.cost_usd.map(|dollars| dollars.0),
        }
        .into(),
    );
    commands.extend(run.resolved.map(|resolved| {
        let verdict = if resolved { Verdict::Resolved } else { Verdict::Unresolved };
        JudgeExecution { execution_id, occurred_at: last, judge: JUDGE.to_owned(), verdict }.into()
    }));
    commands
}

fn model_call(step: &AgentStep, number: i32, execution_id: ExecutionId) -> ExecutionCommand {
    RecordModelCall {
        execution_id,
        occurred_at: moment(step),
        step: number,
        prompt_tokens: step.prompt_tokens.into(),
        completion_tokens: step.completion_tokens.into(),
        reasoning_tokens: step.reasoning_tokens.into(),
        cached_tokens: step.cached_tokens.into(),
        latency_us: None,
        cost: step.cost_usd.map(|dollars| dollars.0),
        thought_bytes: step.thought_bytes.into(),
    }
    .into()
}

/// A step that says nothing of a tool, a result or output used none.
fn tool_use(step: &AgentStep, number: i32, execution_id: ExecutionId) -> Option<ExecutionCommand> {
    let used = step.tool.is_some() || step.exit_code.is_some() || step.output_bytes > 0;
    used.then(|| {
        RecordToolUse {
            execution_id,
            occurred_at: moment(step),
            step: number,
            tool: step.tool.clone(),
            exit_code: step.exit_code,
            output_bytes: step.output_bytes.into(),
        }
        .into()
    })
}

fn moment(step: &AgentStep) -> Timestamp {
    Timestamp::from_micros(i64::from(step.at) * 1_000_000)
}
