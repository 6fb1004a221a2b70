//! The records of the topics against the events of the store.

use std::collections::{BTreeMap, HashMap, HashSet};

use events::{AggregateId, Digest, EventId, Sum, TenantId, Timestamp};

use crate::exceptions::{Exceptions, Republished};
use crate::finding::{Explained, Finding, Findings, Kind, Stage};
use crate::pruned::Gone;
use crate::report::{SinkCounts, TopicCounts};
use crate::store::Store;

/// One record of a topic. What its headers do not say, or say unreadably, is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicRecord<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// The event id of its headers.
    pub event_id: Option<EventId>,
    /// The tenant of its headers.
    pub tenant: Option<TenantId>,
    /// The version of its headers.
    pub version: Option<u64>,
    /// Its value.
    pub payload: Option<&'a [u8]>,
}

/// What was seen of one aggregate.
#[derive(Debug, Clone, Copy)]
struct Seen {
    partition: i32,
    oldest: u64,
    newest: u64,
}

/// What was seen of one topic.
#[derive(Debug, Default)]
struct Partitions {
    /// The next offset of each partition.
    offsets: HashMap<i32, i64>,
    /// Since when each partition has its records, where it has lost some.
    since: HashMap<i32, Timestamp>,
}

/// What was seen in the topics.
#[derive(Debug, Default)]
pub(crate) struct Topic {
    /// By place of the event in the store: whether it was seen.
    events: Vec<bool>,
    aggregates: HashMap<AggregateId, Seen>,
    topics: BTreeMap<String, Partitions>,
    /// Records that are no events of the store.
    foreign: Vec<Finding>,
    /// Why events were published again.
    republished: HashMap<EventId, String>,
    /// Those of them that came behind later versions.
    late: Vec<Republished>,
    counts: TopicCounts,
    sum: Sum,
}

impl Topic {
    pub(crate) fn republished(&mut self, Republished { event_id, reason }: Republished) {
        self.republished.insert(event_id, reason);
    }

    /// The events that came late because they were published again.
    pub(crate) fn late(&mut self) -> Vec<Republished> {
        std::mem::take(&mut self.late)
    }

    pub(crate) fn add(&mut self, record: &TopicRecord<'_>, store: &mut Store, findings: &mut Findings) {
        let (partition, offset) = (record.partition, record.offset);
        let next = self.partitions(record.topic).offsets.insert(partition, offset + 1);
        assert!(
            next.is_none_or(|next| offset >= next),
            "partition {partition} is read in the order of its offsets"
        );
        self.counts.records += 1;
        let Some((place, event_id)) = record.event_id.and_then(|id| Some((store.place(id)?, id))) else {
            return match store.pruned.topic(record) {
                Some(gone) => self.gone(&gone, record, findings),
                None => self.foreign(record),
            };
        };
        let entry = &store.entries[place];
        let aggregate = store.aggregate_of(entry);
        let mut found = |kind, detail: String| {
            let finding = Finding::new(Stage::Topic, kind, detail);
            findings.add(
                finding
                    .of(&aggregate.tenant, aggregate.id, entry.version)
                    .event(event_id)
                    .on(record.topic)
                    .at(partition, offset),
            );
        };
        if record.topic != &*aggregate.topic {
            found(Kind::Scattered, format!("it belongs on topic {}", aggregate.topic));
        }
        if record.payload.map(Digest::of) != Some(entry.digest) {
            found(Kind::Diverged, "its payload is not the one in the store".into());
        }
        if record.key != Some(aggregate.id.to_string().as_bytes()) {
            found(Kind::Diverged, "its key is not the id of its aggregate".into());
        }
        if record.tenant.as_ref() != Some(&aggregate.tenant) {
            found(Kind::Diverged, "its header tenant is not the tenant of the store".into());
        }
        if record.version != Some(entry.version) {
            found(Kind::Diverged, "its header aggregateversion is not the version of the store".into());
        }
        self.events.resize(store.entries.len(), false);
        let is_again = std::mem::replace(&mut self.events[place], true);
        let (republished, late) = (self.republished.get(&event_id), &mut self.late);
        follow(&mut self.aggregates, aggregate.id, entry.version, partition, is_again, |kind, detail| {
            match republished.filter(|_| kind == Kind::Reordered) {
                Some(reason) => late.push(Republished { event_id, reason: reason.clone() }),
                None => found(kind, detail),
            }
        });
        if is_again {
            self.counts.duplicates += 1;
        } else {
            self.sum.add(aggregate.id, entry.version, event_id, entry.digest);
        }
    }

    /// A record of an event that left the store on purpose.
    fn gone(&mut self, gone: &Gone, record: &TopicRecord<'_>, findings: &mut Findings) {
        let Gone { aggregate_id, version, is_again, is_changed } = *gone;
        let mut found = |kind, detail: String| {
            let finding = Finding::new(Stage::Topic, kind, detail).on(record.topic);
            let finding = Finding {
                tenant: record.tenant.clone(),
                aggregate_id: Some(aggregate_id),
                version: Some(version),
                event_id: record.event_id,
                ..finding
            };
            findings.add(finding.at(record.partition, record.offset));
        };
        self.counts.pruned += 1;
        if is_changed {
            found(Kind::Diverged, "the first record of its event has another content".into());
        }
        follow(&mut self.aggregates, aggregate_id, version, record.partition, is_again, found);
    }

    pub(crate) fn shortened(&mut self, topic: &str, partition: i32, since: Timestamp) {
        self.partitions(topic).since.insert(partition, since);
    }

    fn partitions(&mut self, topic: &str) -> &mut Partitions {
        if !self.topics.contains_key(topic) {
            self.topics.insert(topic.to_owned(), Partitions::default());
        }
        self.topics.get_mut(topic).expect("it was just put there")
    }

    /// Whether an event that the topic lacks may have left it by retention: only the oldest of an aggregate do, from a
    /// partition that has lost its beginning.
    pub(crate) fn may_have_expired(
        &self,
        topic: &str,
        aggregate_id: AggregateId,
        version: u64,
        recorded_at: Option<Timestamp>,
    ) -> bool {
        let seen = self.aggregates.get(&aggregate_id);
        let Some(partitions) =
            self.topics.get(topic).filter(|_| seen.is_none_or(|seen| version < seen.oldest))
        else {
            return false;
        };
        let since = match seen {
            Some(seen) => partitions.since.get(&seen.partition),
            None => partitions.since.values().max(),
        };
        since.is_some_and(|since| recorded_at.is_none_or(|recorded_at| recorded_at < *since))
    }

    fn foreign(&mut self, record: &TopicRecord<'_>) {
        self.counts.foreign += 1;
        let detail = match (record.event_id, record.key) {
            (Some(_), _) => "the store does not know its event".to_owned(),
            (None, Some(key)) => {
                format!("it names no event; its key is {:?}", key.escape_ascii().to_string())
            }
            (None, None) => "it names no event and has no key".to_owned(),
        };
        let finding = Finding {
            tenant: record.tenant.clone(),
            version: record.version,
            ..Finding::new(Stage::Topic, Kind::Foreign, detail).on(record.topic)
        };
        self.foreign
            .push(Finding { event_id: record.event_id, ..finding }.at(record.partition, record.offset));
    }

    /// Judges what is absent and what is too much. A decision explains if every sink of the topic that was compared has it.
    pub(crate) fn finish(
        &mut self,
        store: &Store,
        skipped: &HashSet<EventId>,
        sinks: &[(&SinkCounts, &Exceptions)],
        findings: &mut Findings,
        explained: &mut Vec<Explained>,
    ) {
        let readers = |topic: &str| -> Vec<_> {
            sinks
                .iter()
                .filter(|(sink, _)| sink.topic == topic)
                .map(|(sink, own)| (sink.projection, *own))
                .collect()
        };
        let mut judge = |finding: Finding, decided: &dyn Fn(&Exceptions) -> Option<String>| {
            let sinks = readers(finding.topic.as_deref().unwrap_or_default());
            let reasons: Vec<_> =
                sinks.iter().filter_map(|(projection, sink)| Some((*projection, decided(sink)?))).collect();
            if sinks.is_empty() || reasons.len() < sinks.len() {
                findings.add(finding);
                return;
            }
            explained.extend(reasons.into_iter().map(|(projection, reason)| {
                let finding = finding.clone();
                Explained { projection, decided: true, reason, finding }
            }));
        };
        for mut finding in std::mem::take(&mut self.foreign) {
            let (partition, offset) =
                (finding.partition.unwrap_or_default(), finding.offset.unwrap_or_default());
            let sinks = readers(finding.topic.as_deref().unwrap_or_default());
            let parked = sinks.iter().filter(|(_, sink)| sink.parked_record(partition, offset).is_some());
            let parked: Vec<_> = parked.map(|(projection, _)| *projection).collect();
            if !parked.is_empty() {
                finding.detail += &format!("; parked in {}", parked.join(", "));
            }
            judge(finding, &|sink| sink.decided_record(partition, offset).map(str::to_owned));
        }
        let mut events = std::mem::take(&mut self.events);
        events.resize(store.entries.len(), false);
        for (entry, _) in store.entries.iter().zip(events).filter(|(_, seen)| !seen) {
            if skipped.contains(&entry.event_id) {
                continue;
            }
            let aggregate = store.aggregate_of(entry);
            // An event id that occurs twice in the store was found there; its first place is nobody's to fill.
            if store.place(entry.event_id).is_some_and(|place| !std::ptr::eq(&store.entries[place], entry)) {
                continue;
            }
            let recorded_at = Some(entry.recorded_at);
            if self.may_have_expired(&aggregate.topic, aggregate.id, entry.version, recorded_at) {
                self.counts.expired += 1;
                continue;
            }
            let finding = Finding::new(Stage::Topic, Kind::Missing, "the store has it, the topic does not");
            let finding = finding.of(&aggregate.tenant, aggregate.id, entry.version).event(entry.event_id);
            let finding = finding.on(&aggregate.topic);
            judge(finding, &|sink| sink.decided(aggregate.id, entry.version).map(str::to_owned));
        }
    }

    /// Counts events that left the store and then the topic.
    pub(crate) fn expired(&mut self, events: usize) {
        self.counts.expired += events;
    }

    pub(crate) fn counts(&self) -> TopicCounts {
        let partitions = self.topics.values().map(|topic| topic.offsets.len()).sum();
        TopicCounts { sum: self.sum, partitions, ..self.counts.clone() }
    }
}

/// Where an aggregate's records lie, and in which order they come.
fn follow(
    aggregates: &mut HashMap<AggregateId, Seen>,
    aggregate_id: AggregateId,
    version: u64,
    partition: i32,
    is_again: bool,
    mut found: impl FnMut(Kind, String),
) {
    let first = Seen { partition, oldest: version, newest: 0 };
    let seen = aggregates.entry(aggregate_id).or_insert(first);
    if seen.partition != partition {
        found(Kind::Scattered, format!("records of its key lie in partition {} too", seen.partition));
    }
    // A version that never comes is missing, not the ones behind it out of order.
    if !is_again && version < seen.newest {
        found(Kind::Reordered, format!("it comes behind version {}", seen.newest));
    }
    (seen.oldest, seen.newest) = (seen.oldest.min(version), seen.newest.max(version));
}
