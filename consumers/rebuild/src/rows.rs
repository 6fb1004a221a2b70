//! Rows that are being made, in memory until they are written.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use events::{AggregateId, Sum, Timestamp};
use kafka::{Loaded, RowChange, RowKey, Source, partition_of};
use projection::{Projection, Row, Step, step};

use crate::{Batch, Edition, NO_OFFSET, Placed, Progress};

/// Rows that changed before they are written, and as many that are kept in memory after.
const ROWS_MAX: usize = 50_000;

/// Time between two writes: a row is written once for all of its events in between, and as much work is done again after a crash.
const WRITE_EVERY: Duration = Duration::from_secs(10);

/// Rows that are looked for at a time.
const KEYS_MAX: usize = 5_000;

/// An edition under work.
#[derive(Debug)]
pub struct Rebuild<P: Projection, E> {
    /// What was written so far.
    pub edition: E,
    topic_partitions: i32,
    rows: HashMap<RowKey, Building<P::View>>,
    decided: HashSet<(AggregateId, u64)>,
    /// Whose next event came and was not taken.
    stuck: HashSet<AggregateId>,
    /// An aggregate of which the first event comes has no row yet.
    is_new: bool,
    taken: Progress,
    /// Events up to here are written, the rest is in memory.
    written: Progress,
    unwritten: usize,
    written_at: Instant,
}

/// A row in memory.
#[derive(Debug)]
struct Building<V> {
    old: Arc<Row<V>>,
    new: Arc<Row<V>>,
    last: Source,
    changed: bool,
    /// It was made anew, so that its version may be the one that is written, or an earlier one.
    is_replaced: bool,
}

impl<P: Projection, E: Edition<P>> Rebuild<P, E> {
    /// Begins, or goes on where the edition is. `topic_partitions`: how many the topic has.
    pub async fn open(mut edition: E, topic_partitions: i32) -> Result<Self, E::Error> {
        let written = edition.progress();
        let is_new = edition.sample(1).await?.is_empty();
        Ok(Self {
            edition,
            topic_partitions,
            rows: HashMap::new(),
            decided: HashSet::new(),
            stuck: HashSet::new(),
            is_new,
            taken: written,
            written,
            unwritten: 0,
            written_at: Instant::now(),
        })
    }

    /// How far it is, what is not written yet included.
    pub fn progress(&self) -> Progress {
        self.taken
    }

    /// Aggregates whose next event came, and is none that this edition takes.
    pub fn stuck(&self) -> &HashSet<AggregateId> {
        &self.stuck
    }

    /// Events up to this position are in it, wherever they were taken from.
    pub fn has_up_to(&mut self, position: u64) {
        self.taken.position = position.max(self.taken.position);
        self.is_new = false;
    }

    /// The versions of these aggregates' rows; 0 where there is none yet.
    pub async fn versions_of(&mut self, keys: &[RowKey]) -> Result<Vec<u64>, E::Error> {
        let mut versions = Vec::with_capacity(keys.len());
        for keys in keys.chunks(KEYS_MAX) {
            self.load(keys.iter()).await?;
            versions.extend(keys.iter().map(|key| self.rows.get(key).map_or(0, |row| row.new.version)));
        }
        Ok(versions)
    }

    /// Aggregates whose versions up to these left the store when they were taken back: they have no view, and the version and the
    /// sum of the events stay.
    pub async fn withdrawn(&mut self, ranges: Vec<(RowKey, u64, Sum)>) -> Result<(), E::Error> {
        for ranges in ranges.chunks(KEYS_MAX) {
            self.load(ranges.iter().map(|(key, ..)| key)).await?;
            for (key, through, sum) in ranges {
                let row = self.rows.entry(key.clone()).or_insert_with(Building::new);
                if row.new.version < *through {
                    row.new = Row { version: *through, sum: *sum, ..Row::default() }.into();
                    row.mark_changed(&mut self.unwritten);
                }
            }
            self.write_much().await?;
        }
        Ok(())
    }

    /// The aggregates about which something was decided that is not in their rows yet. Each is to be
    /// [`replaced`](Self::replace) by a fold of its events so far.
    pub async fn newly_decided(&mut self) -> Result<Vec<RowKey>, E::Error> {
        let mut keys = Vec::new();
        for (key, version) in self.edition.decisions().await? {
            if self.decided.insert((key.aggregate_id, version)) && !keys.contains(&key) {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    /// Makes an aggregate's row anew from its events, from the first one on up to [`progress`](Self::progress).
    pub async fn replace(&mut self, key: RowKey, events: Vec<Placed<P::Event>>) -> Result<(), E::Error> {
        self.load(std::iter::once(&key)).await?;
        let last = events.iter().rev().find_map(Placed::source);
        let new = self.fold(events);
        let row = self.rows.entry(key).or_insert_with(Building::new);
        if *row.new != new {
            row.new = new.into();
            row.last = last.unwrap_or(row.last);
            row.mark_changed(&mut self.unwritten);
            row.is_replaced = true;
        }
        Ok(())
    }

    /// Takes in the next events, in the order of their positions, up to `through`. Events that come from elsewhere than the store
    /// have position 0, and may be there already.
    pub async fn take(&mut self, mut events: Vec<Placed<P::Event>>, through: u64) -> Result<(), E::Error> {
        events.retain(|placed| {
            placed.position == 0 || !self.edition.has(placed.aggregate_id(), placed.position)
        });
        let keys: Vec<RowKey> = events.iter().map(Placed::key).collect();
        // Where the store's first version comes there is no row yet; of what comes from elsewhere there may be one.
        let is_first =
            |placed: &&Placed<P::Event>| self.is_new && placed.position > 0 && placed.version() == 1;
        let begun: HashSet<&RowKey> =
            events.iter().zip(&keys).filter(|(placed, _)| is_first(placed)).map(|(_, key)| key).collect();
        let known: HashSet<&RowKey> = keys.iter().filter(|key| !begun.contains(key)).collect();
        self.load(known.into_iter()).await?;
        for (placed, key) in events.into_iter().zip(keys) {
            self.taken.position = placed.position.max(self.taken.position);
            self.taken.events += 1;
            let row = self.rows.entry(key).or_insert_with(Building::new);
            match next::<P>(&row.new, &placed, &self.decided) {
                Some(new) => {
                    row.new = new.into();
                    row.last = placed.source().unwrap_or(row.last);
                    row.mark_changed(&mut self.unwritten);
                }
                None if placed.version() == row.new.version + 1 => {
                    self.stuck.insert(placed.aggregate_id());
                }
                None => {}
            }
        }
        self.taken.position = through.max(self.taken.position);
        self.write_much().await
    }

    /// The row that these events of one aggregate make, from the first one on.
    pub fn fold(&self, events: Vec<Placed<P::Event>>) -> Row<P::View> {
        let begin = Row::default();
        events.iter().fold(begin, |row, placed| next::<P>(&row, placed, &self.decided).unwrap_or(row))
    }

    /// Has everything written that was taken in, and how far that is.
    pub async fn write(&mut self) -> Result<(), E::Error> {
        let partitions = self.topic_partitions;
        let changed = self.rows.iter().filter(|(_, row)| row.changed);
        let mut changes: Vec<RowChange<P::View>> = changed
            .map(|(key, row)| RowChange {
                key: key.clone(),
                partition: partition_of(key.aggregate_id.to_string().as_bytes(), partitions),
                old: Arc::clone(&row.old),
                new: Arc::clone(&row.new),
                last: row.last,
            })
            .collect();
        changes.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        let replaced = self.rows.iter().filter(|(_, row)| row.is_replaced).map(|(key, _)| key.clone());
        let batch = Batch { changes, replaced: replaced.collect(), from: self.written, to: self.taken };
        self.edition.write(batch).await?;
        (self.written, self.unwritten, self.written_at) = (self.taken, 0, Instant::now());
        if self.rows.len() > ROWS_MAX {
            self.rows.clear();
        }
        for row in self.rows.values_mut().filter(|row| row.changed) {
            row.old = Arc::clone(&row.new);
            (row.changed, row.is_replaced) = (false, false);
        }
        Ok(())
    }

    /// Writes when there is much to write.
    async fn write_much(&mut self) -> Result<(), E::Error> {
        if self.unwritten >= ROWS_MAX || self.written_at.elapsed() >= WRITE_EVERY {
            self.write().await?;
        }
        Ok(())
    }

    /// Reads the rows that are not in memory.
    async fn load<'k>(&mut self, keys: impl Iterator<Item = &'k RowKey>) -> Result<(), E::Error> {
        let absent: Vec<RowKey> = keys.filter(|key| !self.rows.contains_key(key)).cloned().collect();
        if absent.is_empty() {
            return Ok(());
        }
        for Loaded { key, row, .. } in self.edition.load(&absent).await? {
            let row = Arc::new(row);
            let building = Building { old: Arc::clone(&row), new: row, ..Building::new() };
            self.rows.insert(key, building);
        }
        Ok(())
    }
}

impl<V> Building<V> {
    fn new() -> Self {
        let never = Timestamp::from_micros(0);
        let last = Source { offset: NO_OFFSET, occurred_at: never, recorded_at: never };
        Self { old: Arc::default(), new: Arc::default(), last, changed: false, is_replaced: false }
    }

    fn mark_changed(&mut self, unwritten: &mut usize) {
        *unwritten += usize::from(!std::mem::replace(&mut self.changed, true));
    }
}

/// The row after an event, if the event changes it.
fn next<P: Projection>(
    row: &Row<P::View>,
    placed: &Placed<P::Event>,
    decided: &HashSet<(AggregateId, u64)>,
) -> Option<Row<P::View>> {
    let version = placed.version();
    if version == row.version + 1 && decided.contains(&(placed.aggregate_id(), version)) {
        return Some(Row { version, ..row.clone() });
    }
    match step::<P>(row.clone(), placed.event.as_ref().ok()?, placed.payload) {
        Step::Applied(new) => Some(new),
        Step::Stale | Step::Gap { .. } | Step::Refused(_) => None,
    }
}
