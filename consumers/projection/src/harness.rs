//! Stories about a projection: given these events, then this view.
//!
//! For tests alone: what a story does not expect is a panic that says what was found.

use std::collections::BTreeMap;

use events::{AggregateId, Digest, Recorded};

use crate::{Mode, Projection, Refusal, Row, Step, step};

/// Delivers `events` in order, as a sink does: an event that the projection refuses, or that comes behind a gap, stays
/// away, and what follows it under the same key does too.
///
/// ```text
/// given::<OrderSummary>([placed(), cancelled()]).redelivered().then(id(), None);
/// ```
pub fn given<P: Projection>(events: impl IntoIterator<Item = Recorded<P::Event>>) -> Story<P> {
    let mut story = Story { rows: BTreeMap::new(), events: Vec::new(), stopped: BTreeMap::new() };
    for event in events {
        story.deliver(&event);
        story.events.push(event);
    }
    story
}

/// What became of the events of a story.
#[derive(Debug)]
pub struct Story<P: Projection> {
    rows: BTreeMap<AggregateId, Row<P::View>>,
    events: Vec<Recorded<P::Event>>,
    stopped: BTreeMap<AggregateId, Stop>,
}

/// Why a key went no further.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stop {
    Refused(Refusal),
    Gap { expected: u64, found: u64 },
}

impl<P: Projection> Story<P> {
    fn deliver(&mut self, event: &Recorded<P::Event>) {
        let id = event.aggregate_id;
        if self.stopped.contains_key(&id) {
            return;
        }
        let row = self.rows.entry(id).or_default();
        match taken::<P>(row.clone(), event) {
            Step::Applied(next) => *row = next,
            Step::Stale => {}
            Step::Gap { expected, found } => drop(self.stopped.insert(id, Stop::Gap { expected, found })),
            Step::Refused(refusal) => drop(self.stopped.insert(id, Stop::Refused(refusal))),
        }
    }

    /// The view of `id` is exactly `view`; `None`: there is none.
    #[track_caller]
    pub fn then(self, id: impl Into<AggregateId>, view: Option<P::View>) -> Self {
        let id = id.into();
        let found = self.view(id);
        assert!(found == view.as_ref(), "{id}: the view is\n{found:#?}\nnot\n{view:#?}{}", self.why(id));
        self
    }

    /// `id` stands at `version`.
    #[track_caller]
    pub fn at_version(self, id: impl Into<AggregateId>, version: u64) -> Self {
        let id = id.into();
        let found = self.rows.get(&id).map_or(0, |row| row.version);
        assert!(found == version, "{id}: stands at version {found}, not {version}{}", self.why(id));
        self
    }

    /// The projection refused an event of `id` for a reason that contains `reason`.
    #[track_caller]
    pub fn refused(self, id: impl Into<AggregateId>, reason: &str) -> Self {
        let id = id.into();
        match self.stopped.get(&id) {
            Some(Stop::Refused(refusal)) if refusal.reason.contains(reason) => self,
            found => panic!("{id}: no refusal because of {reason:?} but {found:?}"),
        }
    }

    /// `id` stopped where `expected` should have come and `found` came.
    #[track_caller]
    pub fn gap(self, id: impl Into<AggregateId>, expected: u64, found: u64) -> Self {
        let id = id.into();
        let stop = self.stopped.get(&id);
        assert!(
            stop == Some(&Stop::Gap { expected, found }),
            "{id}: no gap {expected}..{found} but {stop:?}"
        );
        self
    }

    /// Each event comes once more, by itself, and no row may move. A view that forgets what it deleted, or that counts
    /// a copy, is found here; to repeat the whole story would not find it.
    #[track_caller]
    pub fn redelivered(mut self) -> Self {
        let events = std::mem::take(&mut self.events);
        for event in &events {
            let before = self.rows.clone();
            let stopped = std::mem::take(&mut self.stopped);
            self.deliver(event);
            let (id, version) = (event.aggregate_id, event.version);
            assert!(self.rows == before, "{id}: a second delivery of version {version} changed its view");
            self.stopped = stopped;
        }
        Self { events, ..self }
    }

    /// Of each aggregate the newest event comes alone, as if all others had been lost, and leads to the same view: what
    /// [`Mode::Snapshot`] asks of a projection.
    #[track_caller]
    pub fn newest_alone(self) -> Self {
        assert!(P::MODE == Mode::Snapshot, "{} is no projection of snapshots", P::NAME);
        for (id, row) in &self.rows {
            let newest =
                self.events.iter().filter(|event| event.aggregate_id == *id && event.version == row.version);
            for event in newest {
                let alone = taken::<P>(Row::default(), event);
                assert!(
                    matches!(&alone, Step::Applied(alone) if alone.view == row.view),
                    "{id}: version {} alone leads to\n{alone:#?}\nnot\n{row:#?}",
                    row.version
                );
            }
        }
        self
    }

    /// The view of `id`, to look at.
    pub fn view(&self, id: impl Into<AggregateId>) -> Option<&P::View> {
        self.rows.get(&id.into()).and_then(|row| row.view.as_ref())
    }

    fn why(&self, id: AggregateId) -> String {
        self.stopped.get(&id).map(|stop| format!("\nit stopped: {stop:?}")).unwrap_or_default()
    }
}

/// The events of a story have no bytes that they were stored as.
fn taken<P: Projection>(row: Row<P::View>, event: &Recorded<P::Event>) -> Step<P::View> {
    step::<P>(row, event, Digest::of(&[]))
}
