//! The version gate: which version is applied to which row.

use events::{Digest, DomainEvent, Recorded, Sum};

use crate::{Projection, Refusal};

/// What a sink remembers of one aggregate.
#[derive(Debug, Clone, PartialEq)]
pub struct Row<V> {
    /// The last version that took effect (or that a durable decision skipped); 0 before the first.
    pub version: u64,
    /// The view; `None` before the first event, after a deletion, and when it has expired.
    pub view: Option<V>,
    /// The sink let go of the view some time after it was [finished](Projection::finished_at).
    pub is_expired: bool,
    /// Of the events that took effect: what a sink shows for it to be compared with the event store.
    pub sum: Sum,
}

impl<V> Default for Row<V> {
    fn default() -> Self {
        Self { version: 0, view: None, is_expired: false, sum: Sum::default() }
    }
}

/// Which versions a projection takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Exactly the next: an event says what changed. A version that is missing is a gap, and the key parks behind it.
    Delta,
    /// Any that is newer: an event says all that its view needs, whatever was there before, so that a version that never
    /// came does no harm. [`harness::Story::newest_alone`](crate::harness::Story::newest_alone) holds a projection to it.
    Snapshot,
}

/// What an event does to a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Step<V> {
    /// It was a version to take: the row after it.
    Applied(Row<V>),
    /// Its version took effect before; a duplicate, harmless.
    Stale,
    /// Versions between are missing.
    Gap {
        /// The version that should have come.
        expected: u64,
        /// The version that came.
        found: u64,
    },
    /// The projection says no.
    Refused(Refusal),
}

/// Applies `event` to `row` if its version is exactly the next, or newer where that is enough. Where an event says only what changed
/// of a view that has expired, it is counted. `payload`: of the bytes that it was stored and published as.
pub fn step<P: Projection>(row: Row<P::View>, event: &Recorded<P::Event>, payload: Digest) -> Step<P::View>
where
    P::Event: DomainEvent,
{
    if event.version <= row.version {
        return Step::Stale;
    }
    let expected = row.version + 1;
    if event.version > expected && P::MODE == Mode::Delta {
        return Step::Gap { expected, found: event.version };
    }
    let applied = match P::MODE {
        Mode::Delta if row.is_expired => Ok(None),
        _ => P::apply(row.view, event),
    };
    match applied {
        Ok(view) => {
            let is_expired = row.is_expired && view.is_none();
            let mut sum = row.sum;
            sum.add(event.aggregate_id, event.version, event.event_id, payload);
            Step::Applied(Row { version: event.version, view, is_expired, sum })
        }
        Err(refusal) => Step::Refused(refusal),
    }
}

#[cfg(test)]
mod tests;
