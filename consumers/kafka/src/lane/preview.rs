//! What a redrive would do: the same fold over a copy of the rows, of which nothing is written.

use std::collections::HashSet;
use std::time::Instant;

use projection::{Projection, Row};
use wire::{DecodeError, Decoder};

use super::draft::{Draft, Refused};
use super::partition::Partition;
use super::read;
use crate::cache::Cache;
use crate::parking::{Decided, ParkedRecord, Reason, Stopped};
use crate::store::{Loaded, RowKey};

/// What a redrive would do to rows, and how far it would get.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview<V> {
    /// What would become of the records, in order, up to the first that fails.
    pub records: Vec<Foreseen>,
    /// The rows that they are about.
    pub rows: Vec<RowForeseen<V>>,
}

/// What would become of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Foreseen {
    /// It takes effect.
    Applied {
        /// Where it lay.
        offset: i64,
    },
    /// Its version took effect, or was decided about, before; it is let go.
    Stale {
        /// Where it lay.
        offset: i64,
    },
    /// It stays parked, and all that is behind it.
    Stopped(Stopped),
}

/// One row before and after.
#[derive(Debug, Clone, PartialEq)]
pub struct RowForeseen<V> {
    /// Its name.
    pub key: RowKey,
    /// As it is.
    pub now: Row<V>,
    /// As it would be.
    pub then: Row<V>,
}

/// Works out what a redrive of one key's parked records would do, from the rows as they are and from what was decided
/// about the partition. What only the sink can refuse, or a projector that was told to refuse events, is not foreseen.
/// An error: the registry is in the way.
pub async fn preview<P: Projection>(
    decoder: &Decoder<P::Event>,
    partition: i32,
    decided: &[Decided],
    rows: Vec<Loaded<P::View>>,
    records: &[ParkedRecord],
) -> Result<Preview<P::View>, DecodeError> {
    let mut partition = Partition::new(partition, Instant::now());
    decided.iter().for_each(|decided| partition.decided.insert(decided));
    let mut draft = Draft::new();
    let keys = records.iter().filter_map(|parked| parked.row().map(|key| (partition.id, key)));
    draft.recall(&mut Cache::new(1), keys);
    draft.loaded(rows);
    let mut foreseen = Vec::with_capacity(records.len());
    for parked in records {
        let offset = parked.record.offset;
        let applied = draft.tally.applied;
        let fate = match read::event::<P::Event>(decoder, &parked.record).await? {
            Ok(event) => draft.fold::<P>(&partition, &HashSet::new(), &parked.record, &event),
            Err(why) => Err(Refused::new(Reason::Undecodable, why)),
        };
        match fate {
            Ok(()) if draft.tally.applied > applied => foreseen.push(Foreseen::Applied { offset }),
            Ok(()) => foreseen.push(Foreseen::Stale { offset }),
            Err(Refused { reason, message }) => {
                foreseen.push(Foreseen::Stopped(Stopped { offset, reason, message }));
                break;
            }
        }
    }
    let rows = draft.into_rows().map(|(key, now, then)| RowForeseen { key, now, then }).collect();
    Ok(Preview { records: foreseen, rows })
}
