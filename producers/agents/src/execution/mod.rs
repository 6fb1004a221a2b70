//! One run of one AI agent: what may follow what.

mod checks;
mod command;
mod rejection;

#[cfg(test)]
mod json;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod stories;

use aggregate::{Aggregate, Snapshot};
use events::execution::{
    ExecutionCancelled, ExecutionCompleted, ExecutionFailed, ExecutionJudged, ExecutionStarted, ModelCalled,
};
use events::{ExecutionEvent, ExecutionId, NanoUsd};
use serde::{Deserialize, Serialize};

use checks::check;

pub use command::{
    CancelExecution, CompleteExecution, ExecutionCommand, FailExecution, JudgeExecution, RecordModelCall,
    RecordToolUse, StartExecution,
};
pub use rejection::Rejection;

use crate::checks::{EXACT_MAX, at_most, optional};
use crate::{Ended, Unacceptable};

/// One run of one agent, as far as its rules need to know it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum Execution {
    /// Nothing has happened.
    #[default]
    NotStarted,
    /// The agent is at work.
    Running(Progress),
    /// The agent is done, one way or another.
    Over {
        /// How far it came.
        progress: Progress,
        /// How it ended.
        ending: Ending,
        /// What was thought of its work.
        judged: Option<ExecutionJudged>,
    },
}

/// How far a run has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// How it began.
    pub started: ExecutionStarted,
    /// The last answer of the model; its step counts the calls.
    pub last_call: Option<ModelCalled>,
    /// Tools run so far.
    pub tool_uses: u32,
    /// Tokens sent so far.
    pub prompt_tokens: i64,
    /// Tokens answered so far.
    pub completion_tokens: i64,
    /// Sum of the calls' reported costs.
    pub cost: NanoUsd,
}

/// How a run ended, in its own words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Ending {
    /// Handed in.
    Completed(ExecutionCompleted),
    /// Broken off.
    Failed(ExecutionFailed),
    /// Stopped.
    Cancelled(ExecutionCancelled),
}

impl Ending {
    /// How it ended, without the words.
    pub fn how(&self) -> Ended {
        match self {
            Self::Completed(_) => Ended::Completed,
            Self::Failed(_) => Ended::Failed,
            Self::Cancelled(_) => Ended::Cancelled,
        }
    }
}

impl Aggregate for Execution {
    type Command = ExecutionCommand;
    type Event = ExecutionEvent;
    type Rejection = Rejection;

    fn decide(&self, command: ExecutionCommand) -> Result<Vec<ExecutionEvent>, Rejection> {
        self.check_addressee(command.execution_id())?;
        check(&command)?;
        match self {
            Self::NotStarted => match command {
                ExecutionCommand::StartExecution(start) => happened(ExecutionStarted::from(start)),
                ExecutionCommand::RecordModelCall(_)
                | ExecutionCommand::RecordToolUse(_)
                | ExecutionCommand::CompleteExecution(_)
                | ExecutionCommand::FailExecution(_)
                | ExecutionCommand::CancelExecution(_)
                | ExecutionCommand::JudgeExecution(_) => Err(Rejection::NotStarted),
            },
            Self::Running(progress) => progress.decide(command),
            Self::Over { progress, ending, judged } => match (command, ending) {
                (ExecutionCommand::StartExecution(start), _) => {
                    repeated(ExecutionStarted::from(start) == progress.started, || Rejection::AlreadyStarted)
                }
                (ExecutionCommand::RecordModelCall(_) | ExecutionCommand::RecordToolUse(_), _) => {
                    Err(Rejection::AlreadyEnded { how: ending.how() })
                }
                (ExecutionCommand::CompleteExecution(complete), _) => {
                    already(ending, Ending::Completed(complete.into()))
                }
                (ExecutionCommand::FailExecution(fail), _) => already(ending, Ending::Failed(fail.into())),
                (ExecutionCommand::CancelExecution(cancel), _) => {
                    already(ending, Ending::Cancelled(cancel.into()))
                }
                (ExecutionCommand::JudgeExecution(judge), Ending::Completed(_)) => match judged {
                    None => happened(ExecutionJudged::from(judge)),
                    // Whoever says it again, and whenever: the judgement is the same.
                    Some(judged) => repeated(judge.verdict == judged.verdict, || Rejection::AlreadyJudged {
                        judge: judged.judge.clone(),
                        verdict: judged.verdict,
                    }),
                },
                (ExecutionCommand::JudgeExecution(_), Ending::Failed(_) | Ending::Cancelled(_)) => {
                    Err(Rejection::NothingToJudge { how: ending.how() })
                }
            },
        }
    }

    fn evolve(self, event: &ExecutionEvent) -> Self {
        match (self, event) {
            (_, ExecutionEvent::Withdrawn(_)) => Self::NotStarted,
            (Self::NotStarted, ExecutionEvent::Started(started)) => Self::Running(Progress::new(started)),
            (Self::Running(progress), ExecutionEvent::ModelCalled(call)) => {
                Self::Running(progress.called(call))
            }
            (Self::Running(progress), ExecutionEvent::ToolUsed(_)) => Self::Running(progress.tool_used()),
            (Self::Running(progress), ExecutionEvent::Completed(completed)) => {
                Self::over(progress, Ending::Completed(completed.clone()))
            }
            (Self::Running(progress), ExecutionEvent::Failed(failed)) => {
                Self::over(progress, Ending::Failed(failed.clone()))
            }
            (Self::Running(progress), ExecutionEvent::Cancelled(cancelled)) => {
                Self::over(progress, Ending::Cancelled(cancelled.clone()))
            }
            (Self::Over { progress, ending, judged: None }, ExecutionEvent::Judged(judged)) => {
                Self::Over { progress, ending, judged: Some(judged.clone()) }
            }
            // Nothing else can follow from `decide`.
            (
                state,
                ExecutionEvent::Started(_)
                | ExecutionEvent::ModelCalled(_)
                | ExecutionEvent::ToolUsed(_)
                | ExecutionEvent::Completed(_)
                | ExecutionEvent::Failed(_)
                | ExecutionEvent::Cancelled(_)
                | ExecutionEvent::Judged(_),
            ) => state,
        }
    }
}

impl Snapshot for Execution {
    const SHAPE: u32 = 1;
}

impl Execution {
    /// How far the run has come; `None` before its start.
    pub fn progress(&self) -> Option<&Progress> {
        match self {
            Self::NotStarted => None,
            Self::Running(progress) | Self::Over { progress, .. } => Some(progress),
        }
    }

    fn over(progress: Progress, ending: Ending) -> Self {
        Self::Over { progress, ending, judged: None }
    }

    fn check_addressee(&self, found: ExecutionId) -> Result<(), Rejection> {
        match self.progress().map(|progress| progress.started.execution_id) {
            Some(expected) if expected != found => Err(Rejection::OtherExecution { expected, found }),
            _ => Ok(()),
        }
    }
}

impl Progress {
    fn new(started: &ExecutionStarted) -> Self {
        Self {
            started: started.clone(),
            last_call: None,
            tool_uses: 0,
            prompt_tokens: 0,
            completion_tokens: 0,
            cost: NanoUsd::ZERO,
        }
    }

    /// Model calls so far.
    pub fn steps(&self) -> i32 {
        self.last_call.as_ref().map_or(0, |call| call.step)
    }

    fn decide(&self, command: ExecutionCommand) -> Result<Vec<ExecutionEvent>, Rejection> {
        match command {
            ExecutionCommand::StartExecution(start) => {
                repeated(ExecutionStarted::from(start) == self.started, || Rejection::AlreadyStarted)
            }
            ExecutionCommand::RecordModelCall(call) => {
                let (call, expected) = (ModelCalled::from(call), self.steps().saturating_add(1));
                if self.last_call.as_ref() == Some(&call) {
                    Ok(vec![])
                } else if call.step == expected {
                    self.check_cost(&call)?;
                    happened(call)
                } else {
                    Err(Rejection::StepOutOfOrder { expected, found: call.step })
                }
            }
            ExecutionCommand::RecordToolUse(tool) => match &self.last_call {
                None => Err(Rejection::NoModelCall),
                Some(call) if call.step == tool.step => happened(events::execution::ToolUsed::from(tool)),
                Some(call) => Err(Rejection::StepOutOfOrder { expected: call.step, found: tool.step }),
            },
            ExecutionCommand::CompleteExecution(complete) => happened(ExecutionCompleted::from(complete)),
            ExecutionCommand::FailExecution(fail) => happened(ExecutionFailed::from(fail)),
            ExecutionCommand::CancelExecution(cancel) => happened(ExecutionCancelled::from(cancel)),
            ExecutionCommand::JudgeExecution(_) => Err(Rejection::StillRunning),
        }
    }

    /// What all calls cost together must stay a number that every reader can hold.
    fn check_cost(&self, call: &ModelCalled) -> Result<(), Unacceptable> {
        let left = EXACT_MAX.saturating_sub(self.cost.nanos());
        optional(call.cost, |cost| at_most(left, "cost_nano_usd", cost.nanos()))
    }

    fn called(self, call: &ModelCalled) -> Self {
        Self {
            prompt_tokens: self.prompt_tokens.saturating_add(call.prompt_tokens),
            completion_tokens: self.completion_tokens.saturating_add(call.completion_tokens),
            cost: self.cost + call.cost.unwrap_or_default(),
            last_call: Some(call.clone()),
            ..self
        }
    }

    fn tool_used(self) -> Self {
        Self { tool_uses: self.tool_uses.saturating_add(1), ..self }
    }
}

fn happened(event: impl Into<ExecutionEvent>) -> Result<Vec<ExecutionEvent>, Rejection> {
    Ok(vec![event.into()])
}

/// A repeated command changes nothing, so the caller may retry; a similar one is refused.
fn repeated(same: bool, rejection: impl FnOnce() -> Rejection) -> Result<Vec<ExecutionEvent>, Rejection> {
    if same { Ok(vec![]) } else { Err(rejection()) }
}

fn already(ending: &Ending, asked: Ending) -> Result<Vec<ExecutionEvent>, Rejection> {
    repeated(*ending == asked, || Rejection::AlreadyEnded { how: ending.how() })
}
