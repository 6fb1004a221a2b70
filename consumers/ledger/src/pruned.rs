//! What left the store on purpose, range by range, and what the topic still has of it.

use std::collections::{BTreeMap, HashMap, HashSet};

use events::{AggregateId, Digest, EventId, Sum, TenantId};
use serde::Serialize;

use crate::finding::{Finding, Findings, Kind, Stage};
use crate::topic::TopicRecord;

/// Versions of an aggregate that left the store, audited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruned {
    /// Whose data.
    pub tenant: TenantId,
    /// Whose events.
    pub aggregate_id: AggregateId,
    /// The first version that left.
    pub from_version: u64,
    /// The last.
    pub to_version: u64,
    /// Why: archived, withdrawn, tenant-removed.
    pub reason: String,
    /// Sum over the events, as the store computed it when they left.
    pub digest: Sum,
}

impl Pruned {
    fn events(&self) -> usize {
        usize::try_from(self.to_version - self.from_version + 1).unwrap_or(usize::MAX)
    }
}

/// How much left for one reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PrunedCounts {
    /// Why.
    pub reason: String,
    /// Ranges.
    pub ranges: usize,
    /// Events.
    pub events: usize,
}

/// A range and what the topic has of it.
#[derive(Debug)]
struct Range {
    pruned: Pruned,
    versions: HashSet<u64>,
    sum: Sum,
}

/// All ranges, by aggregate.
#[derive(Debug, Default)]
pub(crate) struct Ranges {
    ranges: HashMap<AggregateId, Vec<Range>>,
}

impl Ranges {
    pub(crate) fn add(&mut self, pruned: Pruned) {
        let range = Range { versions: HashSet::new(), sum: Sum::default(), pruned };
        self.ranges.entry(range.pruned.aggregate_id).or_default().push(range);
    }

    /// The last version of an aggregate that left the store; 0 if none did.
    pub(crate) fn through(&self, aggregate: AggregateId) -> u64 {
        let ranges = self.ranges.get(&aggregate).into_iter().flatten();
        ranges.map(|range| range.pruned.to_version).max().unwrap_or(0)
    }

    /// Counts a record of the topic whose event left the store; `false` if it is none.
    pub(crate) fn topic(&mut self, record: &TopicRecord<'_>) -> bool {
        let aggregate = record.key.and_then(|key| std::str::from_utf8(key).ok()?.parse::<AggregateId>().ok());
        let whole = aggregate.zip(record.version).zip(record.event_id.zip(record.payload));
        let Some(((aggregate, version), (event_id, payload))) = whole else { return false };
        let ranges = self.ranges.get_mut(&aggregate).into_iter().flatten();
        let holds = |range: &&mut Range| {
            (range.pruned.from_version..=range.pruned.to_version).contains(&version)
                && record.tenant.as_ref() == Some(&range.pruned.tenant)
        };
        let mut ranges = ranges.filter(holds);
        let Some(range) = ranges.next() else { return false };
        range.count(version, event_id, payload);
        true
    }

    /// What the topic lacks of the ranges, and where it contradicts them.
    pub(crate) fn judge(self, findings: &mut Findings) -> Vec<PrunedCounts> {
        let mut counts = BTreeMap::<String, PrunedCounts>::new();
        let mut ranges: Vec<_> = self.ranges.into_values().flatten().collect();
        ranges.sort_by_key(|range| (range.pruned.aggregate_id, range.pruned.from_version));
        for Range { pruned, versions, sum } in ranges {
            let count = counts.entry(pruned.reason.clone()).or_default();
            count.ranges += 1;
            count.events += pruned.events();
            let Pruned { tenant, aggregate_id, from_version, to_version, reason, digest } = pruned;
            let range = format!("versions {from_version} to {to_version}, {reason}");
            let missing = (from_version..=to_version).find(|version| !versions.contains(version));
            let (kind, version, detail) = if let Some(missing) = missing {
                let lacks =
                    usize::try_from(to_version - from_version + 1).unwrap_or(usize::MAX) - versions.len();
                (Kind::Missing, missing, format!("the topic lacks {lacks} events of {range}"))
            } else if sum != digest {
                let detail = format!("the events of {range}, have sum {sum}, but {digest} left the store");
                (Kind::Diverged, from_version, detail)
            } else {
                continue;
            };
            findings.add(Finding::new(Stage::Topic, kind, detail).of(&tenant, aggregate_id, version));
        }
        counts.into_iter().map(|(reason, count)| PrunedCounts { reason, ..count }).collect()
    }
}

impl Range {
    /// Debezium may publish twice; an event counts once.
    fn count(&mut self, version: u64, event_id: EventId, payload: &[u8]) {
        if self.versions.insert(version) {
            self.sum.add(self.pruned.aggregate_id, version, event_id, Digest::of(payload));
        }
    }
}
