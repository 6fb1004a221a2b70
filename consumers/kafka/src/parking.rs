//! What the runtime and the dead letters tell each other about parked keys.

use std::fmt;

use events::{AggregateId, EventId, TenantId};
use uuid::Uuid;

use crate::record::Record;
use crate::store::RowKey;

/// The longest key that is its own name; a B-tree would refuse much longer ones.
const KEY_BYTES_MAX: usize = 256;

/// What parked records are queued up by: the record's key bytes, or a digest where they are too long to be a name.
/// A record without a key has the empty name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParkKey(Vec<u8>);

impl ParkKey {
    /// The name of a record's key.
    pub fn of(key: Option<&[u8]>) -> Self {
        match key {
            None => Self(Vec::new()),
            Some(bytes) if bytes.len() <= KEY_BYTES_MAX => Self(bytes.to_vec()),
            Some(bytes) => Self(format!("sha1:{}", Uuid::new_v5(&Uuid::NAMESPACE_OID, bytes)).into_bytes()),
        }
    }

    /// A name as the store has it.
    pub fn from_stored(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The name.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for ParkKey {
    /// The text it is, with bytes that are none escaped as in `\xff`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for ParkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParkKey(\"{self}\")")
    }
}

/// Why a record parks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Its headers or its payload are not what the contract says.
    Undecodable,
    /// Versions before it are missing.
    Gap,
    /// The projection refuses it.
    Refused,
    /// The projector was told to refuse it.
    ToldToRefuse,
    /// The sink cannot store what comes of it.
    Unstorable,
    /// Its aggregate belongs to another partition.
    ForeignPartition,
    /// An earlier record of its key is parked.
    Behind,
}

impl Reason {
    /// Those for which a key parks.
    pub const CAUSES: [Self; 6] = [
        Self::Undecodable,
        Self::Gap,
        Self::Refused,
        Self::ToldToRefuse,
        Self::Unstorable,
        Self::ForeignPartition,
    ];

    /// The word in tables, metrics and headers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::Gap => "gap",
            Self::Refused => "refused",
            Self::ToldToRefuse => "told_to_refuse",
            Self::Unstorable => "unstorable",
            Self::ForeignPartition => "foreign_partition",
            Self::Behind => "behind",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What could be told about a record, if only from single headers. Nothing here was checked against the payload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// Whose data.
    pub tenant: Option<TenantId>,
    /// Whose event.
    pub aggregate_id: Option<AggregateId>,
    /// Which version.
    pub version: Option<u64>,
    /// Which event.
    pub event_id: Option<EventId>,
    /// What kind.
    pub event_type: Option<String>,
}

/// A record to park. Parking the same topic, partition and offset again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Park {
    /// What it queues up by.
    pub key: ParkKey,
    /// The record, untouched.
    pub record: Record,
    /// What is known of it.
    pub hints: Hints,
    /// Why, in one word.
    pub reason: Reason,
    /// Why, for people.
    pub message: String,
}

/// A key that is parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedKey {
    /// The key.
    pub key: ParkKey,
    /// Whose data, as the first of its records says; `None` where none says so.
    pub tenant: Option<TenantId>,
    /// The first of its records that parked; records before it are applied as ever when they come by again.
    pub first_offset: i64,
    /// How many of its records are parked.
    pub events: u64,
}

/// A parked record, read back to be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedRecord {
    /// The record, untouched.
    pub record: Record,
    /// What was known of it when it parked.
    pub hints: Hints,
}

impl ParkedRecord {
    /// The row that it is about, as far as its headers say.
    pub fn row(&self) -> Option<RowKey> {
        Some(RowKey { tenant: self.hints.tenant.clone()?, aggregate_id: self.hints.aggregate_id? })
    }
}

/// A parked record that is done with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Its key; the key is free once the last record is released.
    pub key: ParkKey,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

/// What an operator asked the partition's owner to do with a parked key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its partition.
    pub partition: i32,
    /// The key.
    pub key: ParkKey,
    /// What to do.
    pub action: Action,
}

/// What can be done with a parked key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Apply its records in order; stop at the first that fails.
    Redrive,
    /// Do without records, then go on as with [`Action::Redrive`].
    Discard {
        /// The offsets the operator saw and meant; records that parked later are not discarded.
        offsets: Vec<i64>,
        /// The records are not events of the aggregate: its version does not move.
        foreign: bool,
        /// Why.
        reason: String,
        /// Who says so.
        actor: String,
    },
}

/// What came of a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Its partition.
    pub partition: i32,
    /// The key.
    pub key: ParkKey,
    /// `None`: carried out, and no record is left. Else why the key stays parked.
    pub stopped: Option<Stopped>,
}

/// Where a redrive stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// The record that failed.
    pub offset: i64,
    /// Why, in one word.
    pub reason: Reason,
    /// Why, for people.
    pub message: String,
}

/// That a version, or a record that has none, is done without. Durable: every replay carries it out again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What is done without.
    pub decided: Decided,
    /// The event's id, if there was an event.
    pub event_id: Option<EventId>,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub actor: String,
}

/// What a [`Decision`] is about. `partition` is where the record lay (a missing version: where it should have).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decided {
    /// Its partition.
    pub partition: i32,
    /// Its offset; `None` for a version that never came.
    pub offset: Option<i64>,
    /// The version of the aggregate that has no effect; `None` for a foreign record, which has no version.
    pub version: Option<(TenantId, AggregateId, u64)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_own_name_unless_it_is_too_long_for_one() {
        assert_eq!(ParkKey::of(Some(b"k")).as_bytes(), b"k");
        assert_eq!(ParkKey::of(None), ParkKey::of(Some(b"")));
        let (long, longer) = (vec![1; 1_000], vec![1; 1_001]);
        assert!(ParkKey::of(Some(&long)).as_bytes().len() < KEY_BYTES_MAX);
        assert_ne!(ParkKey::of(Some(&long)), ParkKey::of(Some(&longer)));
        assert_eq!(ParkKey::of(Some(b"a\xff")).to_string(), r"a\xff");
    }
}
