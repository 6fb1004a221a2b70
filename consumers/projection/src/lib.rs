//! What a projection is: a pure fold from the events of one aggregate to one view row.
//!
//! A projection is written without Kafka, SQL or Redis in sight; the sinks own storage, offsets and duplicates.
//! This crate promises that a version is applied once and in order ([`step`]): the sinks add that it stays so when
//! they crash. It knows no runtime, driver, clock or random source.

mod contribution;
pub mod harness;
mod moment;
mod step;

pub use contribution::{Contribution, Rank};
pub use moment::{InvalidMoment, Moment};
pub use step::{Mode, Row, Step, step};

use std::fmt::Debug;

use events::{DomainEvent, Recorded};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A fold from the events of one aggregate to the row that readers see.
pub trait Projection: Debug + Send + Sync + 'static {
    /// The projection's name, and its consumer group's: `<views>-<sink>`, such as `executions-postgres`.
    const NAME: &'static str;

    /// Raised with every change of what it makes of its events. Views of another edition are not gone on with: they are
    /// rebuilt beside those that are read, and switched in when they are complete.
    const EDITION: u32 = 1;

    /// The events it folds.
    type Event: DomainEvent;

    /// Which versions it takes.
    const MODE: Mode = Mode::Delta;

    /// What it folds them into. Its serde field names are the column names of a table and the keys of a document.
    type View: Clone + PartialEq + Debug + Send + Sync + Serialize + DeserializeOwned + 'static;

    /// The view after `event`. `None` in: nothing is known yet. `None` out: the view is deleted (its version is
    /// remembered). Called once per version, in order; in [`Mode::Snapshot`] not for every version.
    fn apply(view: Option<Self::View>, event: &Recorded<Self::Event>) -> Result<Option<Self::View>, Refusal>;

    /// What this view adds to totals over many aggregates.
    fn contribution(_view: &Self::View) -> Option<Contribution> {
        None
    }

    /// When what this view shows came to its end, if it did: a sink may let go of it some time later. Its version stays, and events
    /// that come after that count in version and sum alone.
    fn finished_at(_view: &Self::View) -> Option<Moment> {
        None
    }

    /// Where this view stands on a leaderboard.
    fn rank(_view: &Self::View) -> Option<Rank> {
        None
    }
}

/// The projection cannot apply this event to this view; the event parks with its key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// What is wrong, for the person who will redrive or discard it.
    pub reason: String,
}

impl Refusal {
    /// A refusal with its reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}
