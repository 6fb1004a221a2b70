//! What topic and store have of each other, event by event, so that either can be given what it lost.

use std::collections::{BTreeMap, HashMap};

use events::{AggregateId, Digest, EventId, TenantId, Timestamp};
use serde::Serialize;

use crate::StoreRecord;
use crate::finding::{Finding, Kind, Stage};

/// One event as a record of the topic tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicEvent {
    /// Whose data.
    pub tenant: TenantId,
    /// Whose event.
    pub aggregate_id: AggregateId,
    /// Which version.
    pub version: u64,
    /// Which event.
    pub event_id: EventId,
    /// Of its payload.
    pub digest: Digest,
    /// The record's partition.
    pub partition: i32,
    /// And its offset there.
    pub offset: i64,
}

/// An event of the store that the topic lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unpublished {
    /// Whose data.
    pub tenant: TenantId,
    /// Whose event.
    pub aggregate_id: AggregateId,
    /// Which version.
    pub version: u64,
    /// Which event.
    pub event_id: EventId,
    /// Whether the topic has a later event of the aggregate, behind which this one would come too late.
    pub late: bool,
}

/// The comparison. Feed the topic before the store, or read the store's news again afterwards: an event is in the store
/// before it is in the topic, so what then is in the topic alone was lost by the store. `R` is what the caller needs of
/// a record to bring its event back.
#[derive(Debug)]
pub struct Reconciliation<R> {
    known: HashMap<EventId, Known>,
    places: HashMap<(AggregateId, u64), EventId>,
    newest: HashMap<AggregateId, u64>,
    pruned: HashMap<AggregateId, Vec<(u64, u64)>>,
    /// The records, once each, in the order in which they came.
    records: Vec<(TopicEvent, R)>,
    /// Content of each event's first record.
    seen: HashMap<EventId, Digest>,
    /// Later records that say something else than the first.
    contradictions: Vec<Finding>,
    newest_seen: HashMap<AggregateId, u64>,
    duplicates: usize,
}

#[derive(Debug)]
struct Known {
    tenant: TenantId,
    aggregate_id: AggregateId,
    version: u64,
    digest: Digest,
    recorded_at: Timestamp,
    /// How many came before it.
    place: usize,
}

/// What was found.
#[derive(Debug)]
pub struct Reconciled<R> {
    /// Events that both have.
    pub common: usize,
    /// Records of events that the topic has more than once.
    pub duplicates: usize,
    /// Records of events that left the store on purpose: archived, withdrawn, or of a tenant that was removed.
    pub pruned: usize,
    /// What the topic alone has, aggregate by aggregate, in order.
    pub ahead: Vec<(TopicEvent, R)>,
    /// What the store alone has, in the order of positions.
    pub unpublished: Vec<Unpublished>,
    /// What the store alone has and the topic no longer needs to have.
    pub expired: usize,
    /// Why nothing can be brought back: the two contradict each other, or there are holes that nobody can fill.
    pub contradictions: Vec<Finding>,
}

impl<R> Default for Reconciliation<R> {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            places: HashMap::new(),
            newest: HashMap::new(),
            pruned: HashMap::new(),
            records: vec![],
            seen: HashMap::new(),
            contradictions: vec![],
            newest_seen: HashMap::new(),
            duplicates: 0,
        }
    }
}

impl<R> Reconciliation<R> {
    /// Nothing compared yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next event of the store, in the order of positions.
    pub fn store(&mut self, record: &StoreRecord<'_>) {
        let StoreRecord { tenant, aggregate_id, version, event_id, recorded_at, payload, .. } = *record;
        let (tenant, place, digest) = (tenant.clone(), self.known.len(), Digest::of(payload));
        self.known.insert(event_id, Known { tenant, aggregate_id, version, digest, recorded_at, place });
        self.places.insert((aggregate_id, version), event_id);
        raise(&mut self.newest, aggregate_id, version);
    }

    /// A range of versions that left the store on purpose.
    pub fn pruned(&mut self, aggregate_id: AggregateId, from_version: u64, to_version: u64) {
        self.pruned.entry(aggregate_id).or_default().push((from_version, to_version));
        raise(&mut self.newest, aggregate_id, to_version);
    }

    /// The next record of the topic, in the order of offsets within its partition. `keep` makes what is needed to bring
    /// its event back; it is asked only when the store does not have the event so far.
    pub fn record(&mut self, event: TopicEvent, keep: impl FnOnce() -> R) {
        raise(&mut self.newest_seen, event.aggregate_id, event.version);
        if let Some(first) = self.seen.get(&event.event_id) {
            self.duplicates += 1;
            if *first != event.digest {
                let detail = "the first record of this event has another content";
                self.contradictions.push(refused(&event, detail));
            }
            return;
        }
        self.seen.insert(event.event_id, event.digest);
        if self.known.get(&event.event_id).is_none_or(|known| !known.is(&event)) {
            self.records.push((event, keep()));
        }
    }

    /// The comparison. Events recorded before `horizon` may have left the topic by its retention.
    pub fn finish(mut self, horizon: Option<Timestamp>) -> Reconciled<R> {
        let (mut contradictions, mut pruned) = (std::mem::take(&mut self.contradictions), 0);
        let mut ahead: BTreeMap<(AggregateId, u64), (TopicEvent, R)> = BTreeMap::new();
        for (event, kept) in std::mem::take(&mut self.records) {
            let place = (event.aggregate_id, event.version);
            if let Some(known) = self.known.get(&event.event_id) {
                if !known.is(&event) {
                    contradictions
                        .push(refused(&event, "the store has another content or place for this event"));
                }
            } else if self.is_pruned(place) {
                pruned += 1;
            } else if let Some(other) = self.places.get(&place) {
                contradictions.push(refused(&event, &format!("a fork: the store has event {other} there")));
            } else if let Some((other, _)) = ahead.get(&place) {
                let detail = format!("a fork: the topic has event {} there, too", other.event_id);
                contradictions.push(refused(&event, &detail));
            } else {
                ahead.insert(place, (event, kept));
            }
        }
        let mut newest = self.newest.clone();
        for ((aggregate_id, version), (event, _)) in &ahead {
            let last = newest.insert(*aggregate_id, *version).unwrap_or(0);
            if *version != last + 1 {
                let finding =
                    refused(event, &format!("neither has version {}, which comes before it", last + 1));
                contradictions.push(Finding { kind: Kind::Missing, ..finding });
            }
        }
        let (unpublished, expired) = self.unpublished(horizon);
        Reconciled {
            common: self.known.keys().filter(|event| self.seen.contains_key(event)).count(),
            duplicates: self.duplicates,
            pruned,
            ahead: ahead.into_values().collect(),
            unpublished,
            expired,
            contradictions,
        }
    }

    fn is_pruned(&self, (aggregate_id, version): (AggregateId, u64)) -> bool {
        let ranges = self.pruned.get(&aggregate_id).into_iter().flatten();
        ranges.into_iter().any(|(from, to)| (*from..=*to).contains(&version))
    }

    fn unpublished(&self, horizon: Option<Timestamp>) -> (Vec<Unpublished>, usize) {
        let lacking = self.known.iter().filter(|(event, _)| !self.seen.contains_key(event));
        let (mut lacking, expired): (Vec<_>, Vec<_>) =
            lacking.partition(|(_, known)| horizon.is_none_or(|horizon| known.recorded_at >= horizon));
        lacking.sort_by_key(|(_, known)| known.place);
        let unpublished = lacking.into_iter().map(|(event, known)| Unpublished {
            tenant: known.tenant.clone(),
            aggregate_id: known.aggregate_id,
            version: known.version,
            event_id: *event,
            late: self.newest_seen.get(&known.aggregate_id).is_some_and(|newest| *newest > known.version),
        });
        (unpublished.collect(), expired.len())
    }
}

impl Known {
    fn is(&self, event: &TopicEvent) -> bool {
        (&self.tenant, self.aggregate_id, self.version, self.digest)
            == (&event.tenant, event.aggregate_id, event.version, event.digest)
    }
}

fn raise(newest: &mut HashMap<AggregateId, u64>, aggregate_id: AggregateId, version: u64) {
    newest.entry(aggregate_id).and_modify(|newest| *newest = version.max(*newest)).or_insert(version);
}

fn refused(event: &TopicEvent, detail: &str) -> Finding {
    Finding::new(Stage::Topic, Kind::Diverged, detail)
        .of(&event.tenant, event.aggregate_id, event.version)
        .event(event.event_id)
        .at(event.partition, event.offset)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    /// An event of aggregate `a` at a version; its id follows from both, and from `branch`.
    fn ids(a: u128, version: u64, branch: u128) -> (AggregateId, EventId) {
        let event = Uuid::from_u128((branch << 100) | (a << 64) | u128::from(version));
        (AggregateId(Uuid::from_u128(a)), EventId(event))
    }

    #[derive(Default)]
    struct Case(Reconciliation<()>, i64);

    impl Case {
        fn stored(mut self, a: u128, versions: std::ops::RangeInclusive<u64>) -> Self {
            let tenant = "acme".parse().unwrap();
            for version in versions {
                let (aggregate_id, event_id) = ids(a, version, 0);
                let recorded_at = Timestamp::from_micros(i64::try_from(version).unwrap());
                let payload = event_id.0.as_bytes();
                self.0.store(&StoreRecord {
                    topic: "a topic",
                    tenant: &tenant,
                    aggregate_id,
                    version,
                    event_id,
                    recorded_at,
                    payload,
                });
            }
            self
        }

        fn published(self, a: u128, versions: std::ops::RangeInclusive<u64>) -> Self {
            self.published_otherwise(a, versions, 0)
        }

        fn published_otherwise(
            mut self,
            a: u128,
            versions: std::ops::RangeInclusive<u64>,
            branch: u128,
        ) -> Self {
            for version in versions {
                let (aggregate_id, event_id) = ids(a, version, branch);
                self.1 += 1;
                let event = TopicEvent {
                    tenant: "acme".parse().unwrap(),
                    aggregate_id,
                    version,
                    event_id,
                    digest: Digest::of(event_id.0.as_bytes()),
                    partition: 0,
                    offset: self.1,
                };
                self.0.record(event, || ());
            }
            self
        }
    }

    fn versions(found: &Reconciled<()>) -> Vec<u64> {
        found.ahead.iter().map(|(event, ())| event.version).collect()
    }

    #[test]
    fn what_the_topic_alone_has_is_found_in_order() {
        let found = Case::default().stored(1, 1..=2).published(1, 1..=4).published(1, 3..=4).0.finish(None);
        assert_eq!((versions(&found), found.common, found.duplicates), (vec![3, 4], 2, 2));
        assert_eq!((found.contradictions, found.unpublished), (vec![], vec![]));
    }

    #[test]
    fn what_was_stored_while_the_topic_was_read_is_not_ahead() {
        let found = Case::default().stored(1, 1..=2).published(1, 1..=4).stored(1, 3..=4).0.finish(None);
        assert_eq!((versions(&found), found.common, found.unpublished), (vec![], 4, vec![]));
    }

    #[test]
    fn a_fork_is_named() {
        let found = Case::default().stored(1, 1..=3).published(1, 1..=2).published_otherwise(1, 3..=3, 1).0;
        let found = found.finish(None);
        let [fork] = found.contradictions.as_slice() else { panic!("{found:?}") };
        assert_eq!((fork.version, fork.event_id), (Some(3), Some(ids(1, 3, 1).1)));
        assert!(fork.detail.contains("a fork"), "{fork}");
        let within = Case::default().published(1, 1..=1).published_otherwise(1, 1..=1, 1).0.finish(None);
        assert_eq!(within.contradictions.len(), 1);
    }

    #[test]
    fn a_hole_that_nobody_can_fill_is_named() {
        let found = Case::default().stored(1, 1..=1).published(1, 3..=4).0.finish(None);
        let [hole] = found.contradictions.as_slice() else { panic!("{found:?}") };
        assert_eq!((hole.kind, hole.version), (Kind::Missing, Some(3)));
    }

    #[test]
    fn an_event_of_the_same_id_and_another_content_is_named() {
        let mut case = Case::default().stored(1, 1..=1);
        let (aggregate_id, event_id) = ids(1, 1, 0);
        let digest = Digest::of(b"something else");
        let tenant: TenantId = "acme".parse().unwrap();
        let event =
            TopicEvent { tenant, aggregate_id, version: 1, event_id, digest, partition: 0, offset: 0 };
        case.0.record(event.clone(), || ());
        assert_eq!(case.0.finish(None).contradictions.len(), 1);

        let mut twice = Case::default().stored(1, 1..=1).published(1, 1..=1);
        twice.0.record(event, || ());
        assert_eq!(twice.0.finish(None).contradictions.len(), 1, "the second record counts, too");
    }

    #[test]
    fn what_was_pruned_is_not_ahead_and_what_follows_it_is() {
        let mut case = Case::default().published(1, 1..=4);
        case.0.pruned(ids(1, 1, 0).0, 1, 3);
        let found = case.0.finish(None);
        assert_eq!((versions(&found), found.pruned, found.contradictions), (vec![4], 3, vec![]));
    }

    #[test]
    fn what_the_store_alone_has_is_found_unless_it_may_have_expired() {
        let case = || Case::default().stored(1, 1..=4).published(1, 3..=3);
        let found = case().0.finish(None);
        let late: Vec<_> = found.unpublished.iter().map(|event| (event.version, event.late)).collect();
        assert_eq!(late, [(1, true), (2, true), (4, false)]);
        let found = case().0.finish(Some(Timestamp::from_micros(2)));
        assert_eq!((found.unpublished.len(), found.expired), (2, 1));
    }
}
