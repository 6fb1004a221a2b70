//! Live commands: runs that fail, that are cancelled, that the rules refuse; and a look back in time.

use agents::{
    CancelExecution, Execution, ExecutionCommand, FailExecution, RecordModelCall, RecordToolUse,
    StartExecution,
};
use anyhow::{Context as _, bail};
use chrono::Utc;
use event_store::{Context, ExecuteError, Until};
use events::{EventId, ExecutionId, Metadata, NanoUsd, TenantId, Timestamp};
use uuid::Uuid;

use super::World;
use super::world::new_event_id;

/// An agent at work, as a service would drive it.
#[derive(Debug)]
pub(crate) struct Agent<'w> {
    world: &'w World,
    tenant: TenantId,
    pub(crate) id: ExecutionId,
    steps: i32,
}

impl<'w> Agent<'w> {
    /// A run that has not started.
    pub(crate) fn new(world: &'w World, tenant: &TenantId) -> Self {
        Self { world, tenant: tenant.clone(), id: ExecutionId(Uuid::now_v7()), steps: 0 }
    }

    pub(crate) async fn start(&self) -> anyhow::Result<u64> {
        let start = StartExecution {
            execution_id: self.id,
            occurred_at: now(),
            workflow_id: None,
            task: "live".to_owned(),
            repository: "millrace".to_owned(),
            model: "demo/none".to_owned(),
            agent: "demo 1".to_owned(),
            prompt_id: None,
            prompt_version: None,
            step_limit: Some(100),
            cost_limit: Some(NanoUsd::new(1_000_000_000)),
            requested_by: Some("demo".to_owned()),
        };
        self.tell(start.into(), &new_event_id).await
    }

    /// One answer of the model, stored under an id of the caller's choice.
    pub(crate) async fn call(&mut self, id: EventId) -> anyhow::Result<u64> {
        self.steps += 1;
        let call = RecordModelCall {
            execution_id: self.id,
            occurred_at: now(),
            step: self.steps,
            prompt_tokens: 1_000,
            completion_tokens: 100,
            reasoning_tokens: 0,
            cached_tokens: 0,
            latency_us: Some(750_000),
            cost: Some(NanoUsd::new(1_500_000)),
            thought_bytes: 42,
        };
        self.tell(call.into(), &move || id).await
    }

    pub(crate) async fn tool(&self, tool: &str, exit_code: i32) -> anyhow::Result<u64> {
        let tool = RecordToolUse {
            execution_id: self.id,
            occurred_at: now(),
            step: self.steps,
            tool: Some(tool.to_owned()),
            exit_code: Some(exit_code),
            output_bytes: 512,
        };
        self.tell(tool.into(), &new_event_id).await
    }

    pub(crate) async fn fail(&self, error_class: &str) -> anyhow::Result<u64> {
        let fail = FailExecution {
            execution_id: self.id,
            occurred_at: now(),
            error_class: error_class.to_owned(),
            message: "the model does not answer".to_owned(),
        };
        self.tell(fail.into(), &new_event_id).await
    }

    pub(crate) async fn cancel(&self) -> anyhow::Result<u64> {
        let cancel = CancelExecution {
            execution_id: self.id,
            occurred_at: now(),
            reason: "no longer needed".to_owned(),
            cancelled_by: Some("demo".to_owned()),
        };
        self.tell(cancel.into(), &new_event_id).await
    }

    async fn tell(
        &self,
        command: ExecutionCommand,
        new_id: &(dyn Fn() -> EventId + Send + Sync),
    ) -> anyhow::Result<u64> {
        let metadata = Metadata::of_request(format!("demo-{}", self.id), "demo");
        let context = Context::new(metadata, new_id);
        let executed = self.world.executions.execute(&self.tenant, self.id.into(), command, &context).await?;
        Ok(executed.version)
    }

    pub(crate) async fn state(&self, until: Until) -> anyhow::Result<(Execution, u64)> {
        Ok(self.world.executions.state(&self.tenant, self.id.into(), until).await?)
    }
}

/// Sends the commands and shows what came of them.
pub(crate) async fn run(world: &World, tenant: &TenantId) -> anyhow::Result<()> {
    let mut failing = Agent::new(world, tenant);
    failing.start().await?;
    failing.call(new_event_id()).await?;
    failing.tool("pytest", 1).await?;
    let version = failing.fail("ModelUnavailable").await?;
    println!("  {} started, called its model, ran pytest (exit 1) and failed: version {version}", failing.id);

    let cancelled = Agent::new(world, tenant);
    cancelled.start().await?;
    println!("  {} started and was cancelled: version {}", cancelled.id, cancelled.cancel().await?);

    let refused =
        failing.call(new_event_id()).await.err().context("the rules let a failed run call its model")?;
    match refused.downcast_ref::<ExecuteError<agents::execution::Rejection>>() {
        Some(ExecuteError::Rejected(rejection)) => {
            println!("  one more call of the failed run is refused: {rejection}")
        }
        _ => return Err(refused),
    }
    travel(&failing).await
}

/// The failed run at each of its versions, and as of a moment before its first event.
async fn travel(agent: &Agent<'_>) -> anyhow::Result<()> {
    println!("  time travel on {}:", agent.id);
    for version in 1..=4 {
        let (state, at) = agent.state(Until::Version(version)).await?;
        let progress = state.progress().context("a started run has progress")?;
        let ending = match &state {
            Execution::NotStarted | Execution::Running(_) => "running".to_owned(),
            Execution::Over { ending, .. } => format!("{:?}", ending.how()).to_lowercase(),
        };
        println!(
            "    version {at}: {ending}, {} calls, {} tools, {} so far",
            progress.steps(),
            progress.tool_uses,
            progress.cost
        );
    }
    let (_, at) = agent.state(Until::Occurred(Timestamp::from_micros(0))).await?;
    if at != 0 {
        bail!("the run has {at} events before it began");
    }
    Ok(())
}

fn now() -> Timestamp {
    Timestamp::from_micros(Utc::now().timestamp_micros())
}
