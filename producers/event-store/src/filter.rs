//! Which events a reader of the log wants.

use events::{TenantId, Timestamp};

use crate::StoredEvent;

/// Which events are wanted: those that meet every condition that is set; all of them where none is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this tenant.
    pub tenant: Option<TenantId>,
    /// Of one of these kinds of aggregate.
    pub aggregate_types: Vec<String>,
    /// Of one of these types.
    pub event_types: Vec<String>,
    /// That happened then or later.
    pub occurred_from: Option<Timestamp>,
    /// That happened earlier.
    pub occurred_before: Option<Timestamp>,
}

impl Filter {
    /// Every event.
    pub fn all() -> Self {
        Self::default()
    }

    /// Whether it lets everything through.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Whether this event is wanted.
    pub fn admits(&self, event: &StoredEvent) -> bool {
        let among = |wanted: &[String], found: &String| wanted.is_empty() || wanted.contains(found);
        self.tenant.as_ref().is_none_or(|tenant| *tenant == event.tenant)
            && among(&self.aggregate_types, &event.aggregate_type)
            && among(&self.event_types, &event.event_type)
            && self.occurred_from.is_none_or(|from| event.occurred_at >= from)
            && self.occurred_before.is_none_or(|before| event.occurred_at < before)
    }
}

/// A piece of the log, for a reader who continues at `through`.
#[derive(Debug, Clone, PartialEq)]
pub struct Slice {
    /// What is wanted of it, by position.
    pub events: Vec<StoredEvent>,
    /// Everything wanted up to this position is in `events` or was before; the place to continue from, and the one to
    /// remember together with the effect of these events.
    pub through: u64,
    /// How far the log had settled when this was read.
    pub settled: u64,
}
