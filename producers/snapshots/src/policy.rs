//! When a snapshot is due.

use std::time::Duration;

/// When to take a snapshot: as soon as one of the limits that are set is reached. None is set: when asked to, only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Events since the last one.
    pub events: Option<u64>,
    /// Bytes of the events' payloads since the last one, as far as this program has seen them.
    pub bytes: Option<u64>,
    /// How long it took to get to the state from the last one.
    pub took: Option<Duration>,
    /// How many snapshots of one aggregate and shape to keep, the newest; at least one.
    pub keep: u16,
}

/// What has come since an aggregate's last snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Since {
    /// Events.
    pub events: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// How long it took to load and fold them.
    pub took: Duration,
}

impl Policy {
    /// A snapshot each time it is asked for, and never else.
    pub const EXPLICIT: Self = Self { events: None, bytes: None, took: None, keep: 2 };

    /// Whether one is due.
    pub fn is_due(&self, since: Since) -> bool {
        since.events > 0
            && (self.events.is_some_and(|events| since.events >= events)
                || self.bytes.is_some_and(|bytes| since.bytes >= bytes)
                || self.took.is_some_and(|took| since.took >= took))
    }
}

impl Default for Policy {
    /// Every hundred events: fewer are folded faster than a snapshot is read. And whatever takes five milliseconds.
    fn default() -> Self {
        Self { events: Some(100), bytes: Some(256 * 1024), took: Some(Duration::from_millis(5)), keep: 2 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Since = Since { events: 0, bytes: 0, took: Duration::ZERO };

    #[test]
    fn each_limit_makes_a_snapshot_due_by_itself() {
        let policy = Policy {
            events: Some(10),
            bytes: Some(1_000),
            took: Some(Duration::from_millis(5)),
            ..Policy::EXPLICIT
        };
        for (since, due) in [
            (NONE, false),
            (Since { events: 9, bytes: 999, took: Duration::from_millis(4) }, false),
            (Since { events: 10, ..NONE }, true),
            (Since { events: 1, bytes: 1_000, ..NONE }, true),
            (Since { events: 1, took: Duration::from_millis(5), ..NONE }, true),
            (Since { took: Duration::from_secs(5), ..NONE }, false),
        ] {
            assert_eq!(policy.is_due(since), due, "{since:?}");
        }
    }

    #[test]
    fn an_explicit_policy_takes_none_by_itself() {
        let since = Since { events: u64::MAX, bytes: u64::MAX, took: Duration::MAX };
        assert!(!Policy::EXPLICIT.is_due(since));
    }
}
