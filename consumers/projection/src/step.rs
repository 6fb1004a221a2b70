//! The version gate: exactly the next version is applied.

use events::{DomainEvent, Recorded};

use crate::{Projection, Refusal};

/// What a sink remembers of one aggregate.
#[derive(Debug, Clone, PartialEq)]
pub struct Row<V> {
    /// The last version that took effect (or that a durable decision skipped); 0 before the first.
    pub version: u64,
    /// The view; `None` before the first event and after a deletion.
    pub view: Option<V>,
}

impl<V> Default for Row<V> {
    fn default() -> Self {
        Self { version: 0, view: None }
    }
}

/// What an event does to a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Step<V> {
    /// It was the next version: the row after it.
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

/// Applies `event` to `row` if its version is exactly the next.
pub fn step<P: Projection>(row: Row<P::View>, event: &Recorded<P::Event>) -> Step<P::View>
where
    P::Event: DomainEvent,
{
    if event.version <= row.version {
        return Step::Stale;
    }
    let expected = row.version + 1;
    if event.version > expected {
        return Step::Gap { expected, found: event.version };
    }
    match P::apply(row.view, event) {
        Ok(view) => Step::Applied(Row { version: event.version, view }),
        Err(refusal) => Step::Refused(refusal),
    }
}

#[cfg(test)]
mod tests;
