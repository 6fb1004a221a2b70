//! What an execution is doing now, for screens that ask Redis.

use events::execution::{ExecutionStarted, ModelCalled, ToolUsed};
use events::{DomainEvent, ExecutionEvent, NanoUsd, Recorded};
use projection::{Moment, Projection, Rank, Refusal};
use serde::{Deserialize, Serialize};

use crate::{Status, Verdict, model_name, rules};

/// The leaderboard of executions by cost.
///
/// Its score is the sum of the step costs reported so far, so that a run moves up while it works. Where no step ever
/// has a cost, the cost reported for the whole run stands in at its end; a run without either is not on the board.
pub const COST_BOARD: &str = "cost";

/// A Redis score is a double: whole numbers are exact up to here (about 9 million USD).
const SCORE_MAX: i64 = (1 << 53) - 1;

/// The live state of one execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutionLive {
    /// Where it stands.
    pub status: Status,
    /// What is to be done, by name.
    pub task: String,
    /// The code base it works on.
    pub repository: String,
    /// The model in its one spelling, see [`model_name`].
    pub model_name: String,
    /// Model calls so far.
    pub step: i64,
    /// The tool it used last, where that could be told.
    pub last_tool: Option<String>,
    /// Tokens sent so far.
    pub prompt_tokens: i64,
    /// Tokens answered so far.
    pub completion_tokens: i64,
    /// Sum of the step costs reported so far; absent until the first.
    pub cost_nano_usd: Option<i64>,
    /// Cost of the whole run as the agent reported it at its end.
    pub reported_cost_nano_usd: Option<i64>,
    /// What was thought of its work.
    pub verdict: Option<Verdict>,
    /// When it started.
    pub started_at: Moment,
    /// When its newest event happened.
    pub last_event_at: Moment,
}

/// Executions as live state and a leaderboard in Redis.
#[derive(Debug)]
pub struct ExecutionsRedis;

impl Projection for ExecutionsRedis {
    const NAME: &'static str = "executions-redis";
    type Event = ExecutionEvent;
    type View = ExecutionLive;

    fn apply(
        view: Option<ExecutionLive>,
        event: &Recorded<ExecutionEvent>,
    ) -> Result<Option<ExecutionLive>, Refusal> {
        if let ExecutionEvent::Withdrawn(_) = &event.payload {
            return Ok(None);
        }
        let (name, at) = (event.payload.event_type(), Moment::try_from(event.payload.occurred_at())?);
        if let ExecutionEvent::Started(started) = &event.payload {
            return match view {
                None => Ok(Some(ExecutionLive::started(started, at))),
                Some(_) => Err(Refusal::new(format!("{name}, but the execution has already started"))),
            };
        }
        let mut live = rules::started(view, name)?;
        match &event.payload {
            ExecutionEvent::Judged(_) => rules::judgeable(live.status, live.verdict.is_some(), name)?,
            _ => rules::running(live.status, name)?,
        }
        match &event.payload {
            ExecutionEvent::Started(_) | ExecutionEvent::Withdrawn(_) => {}
            ExecutionEvent::ModelCalled(called) => live.called(called)?,
            ExecutionEvent::ToolUsed(used) => live.used(used)?,
            ExecutionEvent::Completed(completed) => {
                live.status = Status::Completed;
                live.reported_cost_nano_usd =
                    completed.reported_cost.map(|cost| score(0, cost)).transpose()?;
            }
            ExecutionEvent::Failed(_) => live.status = Status::Failed,
            ExecutionEvent::Cancelled(_) => live.status = Status::Cancelled,
            ExecutionEvent::Judged(judged) => live.verdict = Some(judged.verdict.into()),
        }
        live.last_event_at = at;
        Ok(Some(live))
    }

    fn finished_at(live: &ExecutionLive) -> Option<Moment> {
        (live.status != Status::Running).then_some(live.last_event_at)
    }

    fn rank(live: &ExecutionLive) -> Option<Rank> {
        let score = live.cost_nano_usd.or(live.reported_cost_nano_usd)?;
        Some(Rank { board: COST_BOARD, score })
    }
}

impl ExecutionLive {
    fn started(started: &ExecutionStarted, at: Moment) -> Self {
        Self {
            status: Status::Running,
            task: started.task.clone(),
            repository: started.repository.clone(),
            model_name: model_name(&started.model).to_owned(),
            step: 0,
            last_tool: None,
            prompt_tokens: 0,
            completion_tokens: 0,
            cost_nano_usd: None,
            reported_cost_nano_usd: None,
            verdict: None,
            started_at: at,
            last_event_at: at,
        }
    }

    fn called(&mut self, called: &ModelCalled) -> Result<(), Refusal> {
        rules::grow(&mut self.step, 1, "step")?;
        rules::step(self.step, called.step, "ModelCalled")?;
        rules::grow(&mut self.prompt_tokens, called.prompt_tokens, "prompt_tokens")?;
        rules::grow(&mut self.completion_tokens, called.completion_tokens, "completion_tokens")?;
        if let Some(cost) = called.cost {
            self.cost_nano_usd = Some(score(self.cost_nano_usd.unwrap_or(0), cost)?);
        }
        Ok(())
    }

    fn used(&mut self, used: &ToolUsed) -> Result<(), Refusal> {
        rules::step(self.step, used.step, "ToolUsed")?;
        if used.tool.is_some() {
            self.last_tool.clone_from(&used.tool);
        }
        Ok(())
    }
}

/// A cost grown by `amount` that a leaderboard can still hold exactly.
fn score(mut cost: i64, amount: NanoUsd) -> Result<i64, Refusal> {
    rules::grow(&mut cost, amount.nanos(), "cost_nano_usd")?;
    if cost > SCORE_MAX {
        return Err(Refusal::new(format!("cost_nano_usd is {cost}, more than a leaderboard holds exactly")));
    }
    Ok(cost)
}
