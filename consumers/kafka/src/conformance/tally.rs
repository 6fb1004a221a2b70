//! The projection that sinks are tested with.

use std::collections::BTreeMap;

use events::{ExecutionEvent, Recorded, TenantId, Timestamp};
use projection::{Contribution, Moment, Projection, Rank, Refusal};
use serde::{Deserialize, Serialize};

/// Counts what an execution did; small, but with every kind of outcome: rows that change, rows that are deleted
/// (cancelled), refusals (a negative amount), totals by repository, a leaderboard.
#[derive(Debug)]
pub struct Tally;

/// One execution, counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TallyView {
    /// The code base.
    pub repository: String,
    /// Model calls.
    pub steps: i64,
    /// Tokens sent.
    pub tokens: i64,
    /// The order in which the steps were applied: a projection that skips, repeats or reorders gets another text.
    pub trail: String,
}

/// An execution that has sent so many tokens is finished, and was in 1970.
pub const DONE_TOKENS: i64 = 1_000_000;

/// Sums by tenant and repository: executions, steps, tokens.
pub type Totals = BTreeMap<(TenantId, String), [i64; 3]>;

impl Projection for Tally {
    const NAME: &'static str = "tally";
    type Event = ExecutionEvent;
    type View = TallyView;

    fn apply(
        view: Option<TallyView>,
        event: &Recorded<ExecutionEvent>,
    ) -> Result<Option<TallyView>, Refusal> {
        match (&event.payload, view) {
            (ExecutionEvent::Started(started), None) => Ok(Some(TallyView {
                repository: started.repository.clone(),
                steps: 0,
                tokens: 0,
                trail: String::new(),
            })),
            (ExecutionEvent::ModelCalled(call), Some(view)) => {
                if call.prompt_tokens < 0 {
                    return Err(Refusal::new(format!(
                        "step {} sent {} tokens",
                        call.step, call.prompt_tokens
                    )));
                }
                Ok(Some(TallyView {
                    steps: view.steps + 1,
                    tokens: view.tokens + call.prompt_tokens,
                    trail: format!("{}{},", view.trail, call.step),
                    ..view
                }))
            }
            (ExecutionEvent::Cancelled(_), Some(_)) => Ok(None),
            (event, view) => {
                Err(Refusal::new(format!("{} on {view:?}", events::DomainEvent::event_type(event))))
            }
        }
    }

    fn contribution(view: &TallyView) -> Option<Contribution> {
        Some(Contribution {
            group: vec![("repository", view.repository.clone())],
            amounts: vec![("runs", 1), ("steps", view.steps), ("tokens", view.tokens)],
        })
    }

    fn finished_at(view: &TallyView) -> Option<Moment> {
        (view.tokens >= DONE_TOKENS)
            .then(|| Moment::try_from(Timestamp::from_micros(0)).expect("1970 is one"))
    }

    fn rank(view: &TallyView) -> Option<Rank> {
        Some(Rank { board: "tokens", score: view.tokens })
    }
}
