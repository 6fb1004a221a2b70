//! The events of the store, indexed for all later comparisons.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use events::{AggregateId, Digest, EventId, Sum, TenantId, Timestamp};

use crate::finding::{Finding, Findings, Kind, Stage};
use crate::pruned::Ranges;
use crate::report::StoreCounts;

/// One event as the store has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreRecord<'a> {
    /// Where it is published.
    pub topic: &'a str,
    /// Whose data.
    pub tenant: &'a TenantId,
    /// Whose event.
    pub aggregate_id: AggregateId,
    /// Which version.
    pub version: u64,
    /// Which event.
    pub event_id: EventId,
    /// When the store wrote it.
    pub recorded_at: Timestamp,
    /// The payload as it was stored and published.
    pub payload: &'a [u8],
}

/// What is remembered of one event.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) aggregate: usize,
    pub(crate) version: u64,
    pub(crate) event_id: EventId,
    pub(crate) digest: Digest,
    pub(crate) recorded_at: Timestamp,
}

/// What is remembered of one aggregate.
#[derive(Debug)]
pub(crate) struct Aggregate {
    pub(crate) id: AggregateId,
    pub(crate) tenant: TenantId,
    pub(crate) topic: Arc<str>,
    newest: u64,
}

/// The events in the order of their positions.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) entries: Vec<Entry>,
    pub(crate) aggregates: Vec<Aggregate>,
    pub(crate) pruned: Ranges,
    /// How many events each topic should have.
    topics: BTreeMap<Arc<str>, usize>,
    by_event: HashMap<EventId, usize>,
    by_aggregate: HashMap<AggregateId, usize>,
    sum: Sum,
}

impl Store {
    pub(crate) fn add(&mut self, record: &StoreRecord<'_>, findings: &mut Findings) {
        let StoreRecord { topic, tenant, aggregate_id, version, event_id, recorded_at, .. } = *record;
        let mut found = |kind, detail: String| {
            findings.add(
                Finding::new(Stage::Store, kind, detail).of(tenant, aggregate_id, version).event(event_id),
            );
        };
        let topic = self.topics.get_key_value(topic).map_or_else(|| topic.into(), |(known, _)| known.clone());
        *self.topics.entry(topic.clone()).or_default() += 1;
        let aggregate = *self.by_aggregate.entry(aggregate_id).or_insert_with(|| {
            let newest = self.pruned.through(aggregate_id);
            let (tenant, topic) = (tenant.clone(), topic.clone());
            self.aggregates.push(Aggregate { id: aggregate_id, tenant, topic, newest });
            self.aggregates.len() - 1
        });
        let known = &mut self.aggregates[aggregate];
        if known.tenant != *tenant {
            found(Kind::Diverged, format!("the aggregate belongs to tenant {}", known.tenant));
        }
        if known.topic != topic {
            let detail =
                format!("it belongs on topic {topic}, the aggregate's other events on {}", known.topic);
            found(Kind::Diverged, detail);
        }
        if version <= self.pruned.through(aggregate_id) {
            found(Kind::Diverged, "it is said to have left the store, but it is there".into());
        }
        match version.checked_sub(known.newest) {
            Some(1) => known.newest = version,
            Some(ahead @ 2..) => {
                let first = known.newest + 1;
                found(Kind::Missing, format!("{} versions before it, the first of them {first}", ahead - 1));
                known.newest = version;
            }
            _ if self.by_event.contains_key(&event_id) => {}
            _ => found(Kind::Reordered, format!("it comes behind version {}", known.newest)),
        }
        let digest = Digest::of(record.payload);
        if self.by_event.insert(event_id, self.entries.len()).is_some() {
            found(Kind::Doubled, "its event id was given to an event before".into());
        }
        self.sum.add(aggregate_id, version, event_id, digest);
        self.entries.push(Entry { aggregate, version, event_id, digest, recorded_at });
    }

    /// The place of an event among all.
    pub(crate) fn place(&self, event: EventId) -> Option<usize> {
        self.by_event.get(&event).copied()
    }

    pub(crate) fn aggregate_of(&self, entry: &Entry) -> &Aggregate {
        &self.aggregates[entry.aggregate]
    }

    pub(crate) fn counts(&self) -> StoreCounts {
        let tenants: HashSet<_> = self.aggregates.iter().map(|aggregate| &aggregate.tenant).collect();
        StoreCounts {
            events: self.entries.len(),
            aggregates: self.aggregates.len(),
            tenants: tenants.len(),
            topics: self.topics.iter().map(|(topic, events)| (topic.to_string(), *events)).collect(),
            sum: self.sum,
            pruned: vec![],
        }
    }
}
