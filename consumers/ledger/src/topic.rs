//! The records of the topic against the events of the store.

use std::collections::HashMap;

use events::{Digest, EventId, Sum, TenantId};

use crate::exceptions::Exceptions;
use crate::finding::{Explained, Finding, Findings, Kind, Stage};
use crate::report::TopicCounts;
use crate::store::Store;

/// One record of the topic. What its headers do not say, or say unreadably, is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicRecord<'a> {
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
    newest: u64,
}

/// What was seen in the topic.
#[derive(Debug, Default)]
pub(crate) struct Topic {
    /// By place of the event in the store: whether it was seen.
    events: Vec<bool>,
    /// By place of the aggregate.
    aggregates: HashMap<usize, Seen>,
    /// The next offset of each partition.
    offsets: HashMap<i32, i64>,
    /// Records that are no events of the store.
    foreign: Vec<Finding>,
    counts: TopicCounts,
    sum: Sum,
}

impl Topic {
    pub(crate) fn add(&mut self, record: &TopicRecord<'_>, store: &mut Store, findings: &mut Findings) {
        let (partition, offset) = (record.partition, record.offset);
        let next = self.offsets.insert(partition, offset + 1);
        assert!(
            next.is_none_or(|next| offset >= next),
            "partition {partition} is read in the order of its offsets"
        );
        self.counts.records += 1;
        let Some((place, event_id)) = record.event_id.and_then(|id| Some((store.place(id)?, id))) else {
            if store.pruned.topic(record) {
                self.counts.pruned += 1;
                return;
            }
            return self.foreign(record);
        };
        let entry = &store.entries[place];
        let aggregate = store.aggregate_of(entry);
        let mut found = |kind, detail: String| {
            let finding = Finding::new(Stage::Topic, kind, detail);
            findings.add(
                finding
                    .of(&aggregate.tenant, aggregate.id, entry.version)
                    .event(event_id)
                    .at(partition, offset),
            );
        };
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
        let seen = self.aggregates.entry(entry.aggregate).or_insert(Seen { partition, newest: 0 });
        if seen.partition != partition {
            found(Kind::Scattered, format!("records of its key lie in partition {} too", seen.partition));
        }
        self.events.resize(store.entries.len(), false);
        if std::mem::replace(&mut self.events[place], true) {
            self.counts.duplicates += 1;
            return;
        }
        // A version that never comes is missing, not the ones behind it out of order.
        if entry.version < seen.newest {
            found(Kind::Reordered, format!("it comes behind version {}", seen.newest));
        }
        seen.newest = seen.newest.max(entry.version);
        self.sum.add(aggregate.id, entry.version, event_id, entry.digest);
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
            ..Finding::new(Stage::Topic, Kind::Foreign, detail)
        };
        self.foreign
            .push(Finding { event_id: record.event_id, ..finding }.at(record.partition, record.offset));
    }

    /// Judges what is absent and what is too much. A decision explains if every sink that was compared has it.
    pub(crate) fn finish(
        mut self,
        store: &Store,
        sinks: &[(&'static str, &Exceptions)],
        findings: &mut Findings,
        explained: &mut Vec<Explained>,
    ) -> TopicCounts {
        let mut judge = |finding: Finding, decided: &dyn Fn(&Exceptions) -> Option<String>| {
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
        for mut finding in self.foreign {
            let (partition, offset) =
                (finding.partition.unwrap_or_default(), finding.offset.unwrap_or_default());
            let parked = sinks.iter().filter(|(_, sink)| sink.parked_record(partition, offset).is_some());
            let parked: Vec<_> = parked.map(|(projection, _)| *projection).collect();
            if !parked.is_empty() {
                finding.detail += &format!("; parked in {}", parked.join(", "));
            }
            judge(finding, &|sink| sink.decided_record(partition, offset).map(str::to_owned));
        }
        self.events.resize(store.entries.len(), false);
        for (entry, _) in store.entries.iter().zip(&self.events).filter(|(_, seen)| !**seen) {
            let aggregate = store.aggregate_of(entry);
            // An event id that occurs twice in the store was found there; its first place is nobody's to fill.
            if store.place(entry.event_id).is_some_and(|place| !std::ptr::eq(&store.entries[place], entry)) {
                continue;
            }
            let finding = Finding::new(Stage::Topic, Kind::Missing, "the store has it, the topic does not");
            let finding = finding.of(&aggregate.tenant, aggregate.id, entry.version).event(entry.event_id);
            judge(finding, &|sink| sink.decided(aggregate.id, entry.version).map(str::to_owned));
        }
        TopicCounts { sum: self.sum, partitions: self.offsets.len(), ..self.counts }
    }
}
