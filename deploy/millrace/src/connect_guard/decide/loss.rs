//! Events that the slot will never send, and when that is over.

use std::fmt;

use super::{Counted, Memory, Observation};

/// How a slot lost events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::connect_guard) enum Loss {
    /// There is none of its name.
    Gone,
    /// Postgres removed log that it needs.
    LogRemoved,
    /// It begins behind the place that Connect remembers: it was dropped and made again.
    MadeAgain,
    /// The publication was altered: what is committed meanwhile passes by, also when it is read later.
    Unpublished,
}

/// A loss is over when the topics lack nothing although the connector goes on.
pub(super) fn take_in_count(seen: &Observation, memory: &mut Memory) {
    let Some(Counted { missing, while_running }) = seen.counted else { return };
    memory.missing = Some(missing);
    if missing == 0 && while_running {
        memory.loss = None;
        memory.repaired = false;
        memory.counted_at = None;
    }
}

/// Whether the slot, as it is now, has lost something.
pub(super) fn loss(seen: &Observation, memory: &mut Memory) -> Option<Loss> {
    let database = seen.database.as_ref().ok()?;
    let Some(slot) = &database.slot else { return Some(Loss::Gone) };
    if slot.lost {
        return Some(Loss::LogRemoved);
    }
    if database.publication_flawed {
        return Some(Loss::Unpublished);
    }
    let connector = seen.connector()?;
    let gap = connector.delivered.is_some_and(|delivered| slot.confirmed > delivered);
    let seen_before = std::mem::replace(&mut memory.gap_seen, gap);
    ((gap && seen_before) || connector.refuses_slot).then_some(Loss::MadeAgain)
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "the replication slot is gone",
            Self::LogRemoved => "Postgres removed log that the replication slot needs (wal_status lost)",
            Self::MadeAgain => "the replication slot was made again, behind the place that Connect remembers",
            Self::Unpublished => {
                "the publication was altered, and events pass by (`millrace connect plan` names it)"
            }
        })
    }
}
