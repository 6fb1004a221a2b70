//! What left the store on purpose, range by range, and what the topic still has of it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use events::{AggregateId, Digest, EventId, Sum, TenantId};
use serde::Serialize;

use crate::finding::{Finding, Findings, Kind, Stage};
use crate::topic::{Topic, TopicRecord};

/// Why events left the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// They are in a file.
    Archived,
    /// Their aggregate was taken back.
    Withdrawn,
    /// Their tenant was removed.
    TenantRemoved,
}

/// Events left the store for a reason that this program does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("events left the store for a reason that this program does not know: {0:?}")]
pub struct UnknownReason(String);

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        [Self::Archived, Self::Withdrawn, Self::TenantRemoved]
            .into_iter()
            .find(|reason| reason.to_string() == text)
            .ok_or_else(|| UnknownReason(text.to_owned()))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Archived => "archived",
            Self::Withdrawn => "withdrawn",
            Self::TenantRemoved => "tenant-removed",
        })
    }
}

/// Versions of an aggregate that left the store, audited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruned {
    /// Where they were published.
    pub topic: String,
    /// Whose data.
    pub tenant: TenantId,
    /// Whose events.
    pub aggregate_id: AggregateId,
    /// The first version that left.
    pub from_version: u64,
    /// The last.
    pub to_version: u64,
    /// Why.
    pub reason: Reason,
    /// Sum over the events, as the store computed it when they left.
    pub digest: Sum,
}

impl Pruned {
    fn events(&self) -> usize {
        usize::try_from(self.to_version - self.from_version + 1).unwrap_or(usize::MAX)
    }
}

/// How much left for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PrunedCounts {
    /// Why.
    pub reason: Reason,
    /// Ranges.
    pub ranges: usize,
    /// Events.
    pub events: usize,
}

/// A range and what the topic has of it.
#[derive(Debug)]
struct Range {
    pruned: Pruned,
    /// The versions that the topic has, and the content of each.
    versions: HashMap<u64, (EventId, Digest)>,
}

/// A record of an event that left the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gone {
    pub(crate) aggregate_id: AggregateId,
    pub(crate) version: u64,
    /// Whether the topic has an earlier record of that version; Debezium may publish twice.
    pub(crate) is_again: bool,
    /// Whether that one has another content.
    pub(crate) is_changed: bool,
}

/// All ranges, by aggregate.
#[derive(Debug, Default)]
pub(crate) struct Ranges {
    ranges: HashMap<AggregateId, Vec<Range>>,
}

impl Ranges {
    pub(crate) fn add(&mut self, pruned: Pruned) {
        let range = Range { versions: HashMap::new(), pruned };
        self.ranges.entry(range.pruned.aggregate_id).or_default().push(range);
    }

    /// The last version of an aggregate that left the store; 0 if none did.
    pub(crate) fn through(&self, aggregate: AggregateId) -> u64 {
        let ranges = self.ranges.get(&aggregate).into_iter().flatten();
        ranges.map(|range| range.pruned.to_version).max().unwrap_or(0)
    }

    /// Notes a record whose event left the store; `None` if it is no such record.
    pub(crate) fn topic(&mut self, record: &TopicRecord<'_>) -> Option<Gone> {
        let aggregate_id: AggregateId = std::str::from_utf8(record.key?).ok()?.parse().ok()?;
        let (version, event_id, payload) = (record.version?, record.event_id?, record.payload?);
        let range = self.ranges.get_mut(&aggregate_id)?.iter_mut().find(|range| {
            let Pruned { topic, tenant, from_version, to_version, .. } = &range.pruned;
            (*from_version..=*to_version).contains(&version)
                && record.tenant.as_ref() == Some(tenant)
                && record.topic == topic
        })?;
        let content = (event_id, Digest::of(payload));
        let known = range.versions.get(&version);
        let (is_again, is_changed) = (known.is_some(), known.is_some_and(|known| *known != content));
        range.versions.entry(version).or_insert(content);
        Some(Gone { aggregate_id, version, is_again, is_changed })
    }

    /// What the topics lack of the ranges, and where they contradict them.
    pub(crate) fn judge(self, topic: &mut Topic, findings: &mut Findings) -> Vec<PrunedCounts> {
        let mut counts = BTreeMap::<Reason, PrunedCounts>::new();
        let mut ranges: Vec<_> = self.ranges.into_values().flatten().collect();
        ranges.sort_by_key(|range| (range.pruned.aggregate_id, range.pruned.from_version));
        for range in ranges {
            let Pruned { reason, .. } = range.pruned;
            let count = counts.entry(reason).or_insert(PrunedCounts { reason, ranges: 0, events: 0 });
            count.ranges += 1;
            count.events += range.pruned.events();
            if let Some(finding) = range.judge(topic) {
                findings.add(finding);
            }
        }
        counts.into_values().collect()
    }
}

impl Range {
    fn judge(&self, topic: &mut Topic) -> Option<Finding> {
        let Pruned { tenant, aggregate_id, from_version, to_version, reason, digest, .. } = &self.pruned;
        let range = format!("versions {from_version} to {to_version}, {reason}");
        let lacking = || (*from_version..=*to_version).filter(|version| !self.versions.contains_key(version));
        let (kind, version, detail) =
            if let (Some(first), Some(last)) = (lacking().next(), lacking().next_back()) {
                // When they were recorded is no longer known; but they expire in order, the oldest first.
                if topic.may_have_expired(&self.pruned.topic, *aggregate_id, last, None) {
                    topic.expired(lacking().count());
                    return None;
                }
                (Kind::Missing, first, format!("the topic lacks {} events of {range}", lacking().count()))
            } else {
                let mut sum = Sum::default();
                for (version, (event_id, content)) in &self.versions {
                    sum.add(*aggregate_id, *version, *event_id, *content);
                }
                if sum == *digest {
                    return None;
                }
                let detail = format!("the events of {range}, have sum {sum}, but {digest} left the store");
                (Kind::Diverged, *from_version, detail)
            };
        let finding = Finding::new(Stage::Topic, kind, detail).of(tenant, *aggregate_id, version);
        Some(finding.on(&self.pruned.topic))
    }
}
