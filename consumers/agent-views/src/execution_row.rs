//! One row per execution, for dashboards that ask SQL.

use events::execution::{ExecutionCompleted, ExecutionJudged, ExecutionStarted, ModelCalled, ToolUsed};
use events::{DomainEvent, ExecutionEvent, PromptId, Recorded, WorkflowId};
use projection::{Contribution, Moment, Projection, Refusal};
use serde::{Deserialize, Serialize};

use crate::{Status, Verdict, model_name, rules};

/// Everything a dashboard asks about one execution; a row of the table `execution`, field by column.
///
/// A run has two costs that need not agree: the sum over its steps, which the provider reported call by call (and may
/// not have reported for some, or for any), and the cost that the agent reported for the whole run. Both are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutionRow {
    /// Where it stands.
    pub status: Status,
    /// What is to be done, by name.
    pub task: String,
    /// The code base it works on.
    pub repository: String,
    /// The model as the source spells it.
    pub model: String,
    /// The model in its one spelling, see [`model_name`].
    pub model_name: String,
    /// The program that asks the model, with its version.
    pub agent: String,
    /// The workflow it is a part of.
    pub workflow_id: Option<WorkflowId>,
    /// The prompt it follows.
    pub prompt_id: Option<PromptId>,
    /// Which version of the prompt.
    pub prompt_version: Option<i32>,
    /// The most model calls it may make.
    pub step_limit: Option<i32>,
    /// The most it may cost.
    pub cost_limit_nano_usd: Option<i64>,
    /// Model calls.
    pub steps: i64,
    /// Tools run.
    pub tool_uses: i64,
    /// Of those, the ones with an exit code other than 0; none reported is not a failure.
    pub failed_tool_uses: i64,
    /// Tokens sent, cached ones included.
    pub prompt_tokens: i64,
    /// Tokens answered, reasoning included.
    pub completion_tokens: i64,
    /// Of those answered, spent on reasoning.
    pub reasoning_tokens: i64,
    /// Of those sent, cached by the provider.
    pub cached_tokens: i64,
    /// Sum of the costs reported for its steps.
    pub step_cost_nano_usd: i64,
    /// Steps whose cost was not reported.
    pub steps_without_cost: i64,
    /// Cost of the whole run as the agent reported it at its end.
    pub reported_cost_nano_usd: Option<i64>,
    /// The agent's own word for how it ended.
    pub exit_status: Option<String>,
    /// What kind of failure ended it.
    pub error_class: Option<String>,
    /// Length of the patch it handed in, in bytes.
    pub patch_bytes: Option<i64>,
    /// What was thought of its work.
    pub verdict: Option<Verdict>,
    /// Who or what judged.
    pub judge: Option<String>,
    /// When it started.
    pub started_at: Moment,
    /// When it ended.
    pub ended_at: Option<Moment>,
    /// When it was judged.
    pub judged_at: Option<Moment>,
    /// When its newest event happened.
    pub last_event_at: Moment,
}

/// Executions as rows and totals in Postgres.
#[derive(Debug)]
pub struct ExecutionsPostgres;

impl Projection for ExecutionsPostgres {
    const NAME: &'static str = "executions-postgres";
    type Event = ExecutionEvent;
    type View = ExecutionRow;

    fn apply(
        view: Option<ExecutionRow>,
        event: &Recorded<ExecutionEvent>,
    ) -> Result<Option<ExecutionRow>, Refusal> {
        if let ExecutionEvent::Withdrawn(_) = &event.payload {
            return Ok(None);
        }
        let (name, at) = (event.payload.event_type(), Moment::try_from(event.payload.occurred_at())?);
        if let ExecutionEvent::Started(started) = &event.payload {
            return match view {
                None => ExecutionRow::started(started, at).map(Some),
                Some(_) => Err(Refusal::new(format!("{name}, but the execution has already started"))),
            };
        }
        let mut row = rules::started(view, name)?;
        match &event.payload {
            ExecutionEvent::Judged(_) => rules::judgeable(row.status, row.verdict.is_some(), name)?,
            _ => rules::running(row.status, name)?,
        }
        match &event.payload {
            ExecutionEvent::Started(_) | ExecutionEvent::Withdrawn(_) => {}
            ExecutionEvent::ModelCalled(called) => row.called(called)?,
            ExecutionEvent::ToolUsed(used) => row.used(used)?,
            ExecutionEvent::Completed(completed) => row.completed(completed, at)?,
            ExecutionEvent::Failed(failed) => {
                row.end(Status::Failed, at);
                row.error_class = Some(failed.error_class.clone());
            }
            ExecutionEvent::Cancelled(_) => row.end(Status::Cancelled, at),
            ExecutionEvent::Judged(judged) => row.judged(judged, at),
        }
        row.last_event_at = at;
        Ok(Some(row))
    }

    fn contribution(row: &ExecutionRow) -> Option<Contribution> {
        let one_if = |fact| i64::from(u8::from(fact));
        Some(Contribution {
            group: vec![("repository", row.repository.clone()), ("model_name", row.model_name.clone())],
            amounts: vec![
                ("runs", 1),
                ("completed", one_if(row.status == Status::Completed)),
                ("failed", one_if(row.status == Status::Failed)),
                ("cancelled", one_if(row.status == Status::Cancelled)),
                ("resolved", one_if(row.verdict == Some(Verdict::Resolved))),
                ("judged", one_if(row.verdict.is_some())),
                ("steps", row.steps),
                ("tool_uses", row.tool_uses),
                ("failed_tool_uses", row.failed_tool_uses),
                ("prompt_tokens", row.prompt_tokens),
                ("completion_tokens", row.completion_tokens),
                ("step_cost_nano_usd", row.step_cost_nano_usd),
                ("reported_cost_nano_usd", row.reported_cost_nano_usd.unwrap_or(0)),
            ],
        })
    }
}

impl ExecutionRow {
    fn started(started: &ExecutionStarted, at: Moment) -> Result<Self, Refusal> {
        let cost_limit =
            started.cost_limit.map(|limit| rules::cost(limit, "cost_limit_nano_usd")).transpose()?;
        Ok(Self {
            status: Status::Running,
            task: started.task.clone(),
            repository: started.repository.clone(),
            model: started.model.clone(),
            model_name: model_name(&started.model).to_owned(),
            agent: started.agent.clone(),
            workflow_id: started.workflow_id,
            prompt_id: started.prompt_id,
            prompt_version: started.prompt_version,
            step_limit: started.step_limit,
            cost_limit_nano_usd: cost_limit,
            steps: 0,
            tool_uses: 0,
            failed_tool_uses: 0,
            prompt_tokens: 0,
            completion_tokens: 0,
            reasoning_tokens: 0,
            cached_tokens: 0,
            step_cost_nano_usd: 0,
            steps_without_cost: 0,
            reported_cost_nano_usd: None,
            exit_status: None,
            error_class: None,
            patch_bytes: None,
            verdict: None,
            judge: None,
            started_at: at,
            ended_at: None,
            judged_at: None,
            last_event_at: at,
        })
    }

    fn called(&mut self, called: &ModelCalled) -> Result<(), Refusal> {
        rules::grow(&mut self.steps, 1, "steps")?;
        rules::step(self.steps, called.step, "ModelCalled")?;
        rules::grow(&mut self.prompt_tokens, called.prompt_tokens, "prompt_tokens")?;
        rules::grow(&mut self.completion_tokens, called.completion_tokens, "completion_tokens")?;
        rules::grow(&mut self.reasoning_tokens, called.reasoning_tokens, "reasoning_tokens")?;
        rules::grow(&mut self.cached_tokens, called.cached_tokens, "cached_tokens")?;
        match called.cost {
            Some(cost) => rules::grow(&mut self.step_cost_nano_usd, cost.nanos(), "step_cost_nano_usd"),
            None => rules::grow(&mut self.steps_without_cost, 1, "steps_without_cost"),
        }
    }

    fn used(&mut self, used: &ToolUsed) -> Result<(), Refusal> {
        rules::step(self.steps, used.step, "ToolUsed")?;
        rules::grow(&mut self.tool_uses, 1, "tool_uses")?;
        let failed = used.exit_code.is_some_and(|code| code != 0);
        rules::grow(&mut self.failed_tool_uses, i64::from(failed), "failed_tool_uses")
    }

    fn completed(&mut self, completed: &ExecutionCompleted, at: Moment) -> Result<(), Refusal> {
        let field = "reported_cost_nano_usd";
        self.reported_cost_nano_usd =
            completed.reported_cost.map(|cost| rules::cost(cost, field)).transpose()?;
        self.exit_status = Some(completed.exit_status.clone());
        self.patch_bytes = Some(completed.patch_bytes);
        self.end(Status::Completed, at);
        Ok(())
    }

    fn end(&mut self, status: Status, at: Moment) {
        self.status = status;
        self.ended_at = Some(at);
    }

    fn judged(&mut self, judged: &ExecutionJudged, at: Moment) {
        self.verdict = Some(judged.verdict.into());
        self.judge = Some(judged.judge.clone());
        self.judged_at = Some(at);
    }
}
