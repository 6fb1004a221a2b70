//! How far a projector got, for whoever wants to tell others.

use events::Timestamp;

/// One partition as its owner sees it; a hint, the truth is the sink's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The partition.
    pub partition: i32,
    /// The epoch it is ours under.
    pub epoch: i64,
    /// The first offset that the sink has not applied.
    pub next_offset: i64,
    /// Where the topic's partition ends, once it is known.
    pub end: Option<End>,
    /// When the newest event was recorded that was applied since the partition is ours.
    pub newest: Option<Timestamp>,
    /// How many of its keys are parked.
    pub parked_keys: usize,
    /// It waits because of what it cannot apply.
    pub stopped: bool,
}

impl Standing {
    /// The last moment as of which everything in the partition was applied or parked, as far as the end tells.
    pub fn current_at(&self) -> Option<Timestamp> {
        self.end.filter(|end| self.next_offset >= end.offset).map(|end| end.seen_at)
    }
}

/// The end of a partition: the first offset that no committed record has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The offset.
    pub offset: i64,
    /// When the broker said so.
    pub seen_at: Timestamp,
}
