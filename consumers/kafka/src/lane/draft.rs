//! What a flush will change, while it is being worked out.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use events::{Digest, EventId, Recorded, TenantId};
use projection::{Projection, Row, Step, step};

use super::partition::Partition;
use crate::cache::{Cache, Kept};
use crate::changes::{RowChange, Source};
use crate::parking::{Park, ParkKey, Reason};
use crate::record::Record;
use crate::store::{Loaded, RowKey};

/// Rows and parks of one flush. Nothing of it is true before the sink has committed it.
#[derive(Debug)]
pub(super) struct Draft<V> {
    rows: HashMap<RowKey, Work<V>>,
    pub(super) parks: Vec<Park>,
    /// Keys that this draft parks and that were not parked before, and whose they are.
    parked: HashMap<(i32, ParkKey), Option<TenantId>>,
    /// Whose each of [`parks`](Self::parks) is: its key's.
    tenants: Vec<Option<TenantId>>,
    pub(super) tally: Tally,
}

/// What there is to count.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) applied: u64,
    pub(super) stale: u64,
    pub(super) gaps: u64,
}

#[derive(Debug)]
struct Work<V> {
    /// Whose events made the row, if there is one.
    home: Option<i32>,
    partition: i32,
    old: Arc<Row<V>>,
    new: Arc<Row<V>>,
    last: Option<Source>,
}

/// Why an event does not take effect.
pub(super) struct Refused {
    pub(super) reason: Reason,
    pub(super) message: String,
}

impl Refused {
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

impl<V: Clone + PartialEq> Draft<V> {
    pub(super) fn new() -> Self {
        Self {
            rows: HashMap::new(),
            parks: Vec::new(),
            parked: HashMap::new(),
            tenants: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// Takes the rows it can get from the cache; answers the others.
    pub(super) fn recall(
        &mut self,
        cache: &mut Cache<V>,
        keys: impl Iterator<Item = (i32, RowKey)>,
    ) -> Vec<(i32, RowKey)> {
        let mut missing = Vec::new();
        for (partition, key) in keys {
            if self.rows.contains_key(&key) {
                continue;
            }
            match cache.get(&key) {
                Some(kept) => self.put(key, partition, kept.partition, Arc::clone(&kept.row)),
                None => {
                    self.put(key.clone(), partition, None, Arc::default());
                    missing.push((partition, key));
                }
            }
        }
        missing
    }

    /// Takes the rows that the sink had.
    pub(super) fn loaded(&mut self, rows: Vec<Loaded<V>>) {
        for Loaded { key, row, partition } in rows {
            if let Some(reader) = self.rows.get(&key).map(|work| work.partition) {
                self.put(key, reader, Some(partition), Arc::new(row));
            }
        }
    }

    fn put(&mut self, key: RowKey, partition: i32, home: Option<i32>, row: Arc<Row<V>>) {
        self.rows.insert(key, Work { home, partition, old: Arc::clone(&row), new: row, last: None });
    }

    /// The version of a row as of this draft.
    pub(super) fn version(&self, key: &RowKey) -> u64 {
        self.rows.get(key).map_or(0, |work| work.new.version)
    }

    /// Moves a row to a version without effect.
    pub(super) fn pass(&mut self, key: &RowKey, version: u64, last: Source) {
        if let Some(work) = self.rows.get_mut(key) {
            Arc::make_mut(&mut work.new).version = version;
            work.last = Some(last);
        }
    }

    /// Applies one event to its row. Versions that were decided to be done without are passed over.
    pub(super) fn fold<P: Projection<View = V>>(
        &mut self,
        partition: &Partition,
        refused: &HashSet<EventId>,
        record: &Record,
        event: &Recorded<P::Event>,
    ) -> Result<(), Refused> {
        let key = RowKey { tenant: event.tenant.clone(), aggregate_id: event.aggregate_id };
        let work =
            self.rows.get_mut(&key).expect("the rows of a flush are recalled or loaded before it is folded");
        let home = work.home.unwrap_or(work.partition);
        if home != record.partition {
            let message =
                format!("its aggregate belongs to partition {home}; did the number of partitions change?");
            return Err(Refused::new(Reason::ForeignPartition, message));
        }
        let last = Source {
            offset: record.offset,
            occurred_at: events::DomainEvent::occurred_at(&event.payload),
            recorded_at: event.recorded_at,
        };
        while work.new.version < event.version
            && partition.decided.has_version(&event.tenant, event.aggregate_id, work.new.version + 1)
        {
            Arc::make_mut(&mut work.new).version += 1;
            work.last = Some(last);
        }
        if event.version > work.new.version && refused.contains(&event.event_id) {
            return Err(Refused::new(
                Reason::ToldToRefuse,
                format!("told to refuse event {}", event.event_id),
            ));
        }
        let payload = Digest::of(record.payload.as_deref().unwrap_or_default());
        match step::<P>(Row::clone(&work.new), event, payload) {
            Step::Applied(row) => {
                work.new = Arc::new(row);
                work.last = Some(last);
                self.tally.applied += 1;
                Ok(())
            }
            Step::Stale => {
                self.tally.stale += 1;
                Ok(())
            }
            Step::Gap { expected, found } => {
                self.tally.gaps += 1;
                Err(Refused::new(Reason::Gap, format!("version {found} came where {expected} should have")))
            }
            Step::Refused(refusal) => Err(Refused::new(Reason::Refused, refusal.reason)),
        }
    }

    /// Queues a record up under its key, which is parked already or is parked now.
    pub(super) fn park(&mut self, partition: &Partition, park: Park) {
        let tenant = match partition.parked.get(&park.key) {
            Some(parked) => parked.tenant.clone(),
            None => {
                let new = self.parked.entry((park.record.partition, park.key.clone()));
                new.or_insert_with(|| park.hints.tenant.clone()).clone()
            }
        };
        self.tenants.push(tenant);
        self.parks.push(park);
    }

    /// Whether this draft itself parks the key.
    pub(super) fn parks(&self, partition: i32, key: &ParkKey) -> bool {
        self.tenant_of(partition, key).is_some()
    }

    /// Whose a key is that this draft itself parks.
    pub(super) fn tenant_of(&self, partition: i32, key: &ParkKey) -> Option<&Option<TenantId>> {
        if self.parked.is_empty() { None } else { self.parked.get(&(partition, key.clone())) }
    }

    /// How many keys of the partition this draft parks anew, and how many records.
    pub(super) fn room_taken(&self, partition: i32) -> (usize, u64) {
        self.room(partition, |_| true)
    }

    /// The same of one tenant's keys, or of those of which none says whose they are.
    pub(super) fn room_taken_by(&self, partition: i32, tenant: Option<&TenantId>) -> (usize, u64) {
        self.room(partition, |of| of.as_ref() == tenant)
    }

    fn room(&self, partition: i32, counts: impl Fn(&Option<TenantId>) -> bool) -> (usize, u64) {
        let keys = self.parked.iter().filter(|((p, _), tenant)| *p == partition && counts(tenant)).count();
        let of_partition =
            self.parks.iter().zip(&self.tenants).filter(|(park, _)| park.record.partition == partition);
        (keys, of_partition.filter(|(_, tenant)| counts(tenant)).count() as u64)
    }

    /// Every row before and after, sorted by key.
    pub(super) fn into_rows(self) -> impl Iterator<Item = (RowKey, Row<V>, Row<V>)> {
        let (rows, owned) = (BTreeMap::from_iter(self.rows), Arc::unwrap_or_clone);
        rows.into_iter().map(move |(key, work)| (key, owned(work.old), owned(work.new)))
    }

    /// The rows that changed, sorted by key.
    pub(super) fn changed(&self) -> Vec<RowChange<V>> {
        let change = |(key, work): (&RowKey, &Work<V>)| {
            work.last.filter(|_| work.new.version != work.old.version).map(|last| RowChange {
                key: key.clone(),
                partition: work.partition,
                old: Arc::clone(&work.old),
                new: Arc::clone(&work.new),
                last,
            })
        };
        let mut rows: Vec<_> = self.rows.iter().filter_map(change).collect();
        rows.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        rows
    }

    /// Keeps the rows for the next flush, now that the sink has them.
    pub(super) fn keep(self, cache: &mut Cache<V>, fenced: &[i32]) {
        for (key, work) in self.rows {
            if !fenced.contains(&work.partition) {
                let home = work.home.or((work.new.version > 0).then_some(work.partition));
                cache.put(key, Kept { partition: home, row: work.new, reader: work.partition });
            }
        }
    }
}
