//! A row that does not match at first sight, and what is to be said of it.

use std::collections::HashMap;

use events::{AggregateId, EventId, Sum, TenantId, Timestamp};

use crate::exceptions::Exceptions;
use crate::finding::{Finding, Kind, Stage};

/// How far an aggregate is, and the sum over its events up to there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// The last version.
    pub version: u64,
    /// Over the events up to it; of a row, over those that took effect.
    pub sum: Sum,
}

/// A row that is not its aggregate's account at first sight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// Whose it is.
    pub tenant: TenantId,
    /// What it shows.
    pub aggregate_id: AggregateId,
    /// What the row says; version 0 where there is none.
    pub row: Account,
    /// What the store says, as far as it was followed.
    pub store: Account,
}

/// An event of the store, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Which event.
    pub event_id: EventId,
    /// What it adds to a sum.
    pub sum: Sum,
    /// When the store wrote it.
    pub recorded_at: Timestamp,
}

/// Events of the store by aggregate and version.
pub type Entries = HashMap<(AggregateId, u64), Entry>;

/// What is to be said of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// It is made of what it should be, up to the store's last version.
    Whole,
    /// It is made of what it should be; this event is the next.
    Awaits(Entry),
    /// The same, and the event is parked, or stands behind one that is.
    Parked,
    /// It is made of something else than these; which event it is can be [looked for](Suspect::name).
    Diverged(Sum),
    /// The store does not have an event that it should have, or has had none that the row should have.
    Wrong(Box<Finding>),
    /// Nobody can say any more: an event that was decided about has left the store.
    Unknown,
}

impl Suspect {
    /// The versions whose events are asked for: above the first, up to the second.
    pub fn between(&self) -> (u64, u64) {
        let (row, store) = (self.row.version, self.store.version);
        (row.min(store), row.max(store))
    }

    /// Judges it, with the events [between](Self::between) and those that were [decided](Exceptions::decided_of) about.
    pub fn judge(&self, projection: &'static str, exceptions: &Exceptions, entries: &Entries) -> Judged {
        let wrong = |kind, version, detail: String| {
            Judged::Wrong(Box::new(self.found(projection, kind, version, detail)))
        };
        let entry = |version| entries.get(&(self.aggregate_id, version));
        let mut expected = self.store.sum;
        for version in self.row.version + 1..=self.store.version {
            match entry(version) {
                Some(entry) => expected.subtract(entry.sum),
                None => {
                    return wrong(Kind::Missing, version, "it was in the store and is not any more".into());
                }
            }
        }
        for version in self.store.version + 1..=self.row.version {
            match entry(version) {
                Some(entry) => expected.merge(entry.sum),
                None => {
                    let detail = match self.store.version {
                        0 => "the store does not know the aggregate of this row".to_owned(),
                        last => format!("the row is ahead of the store, whose last version of it is {last}"),
                    };
                    return wrong(Kind::Foreign, version, detail);
                }
            }
        }
        let mut is_known = true;
        for version in exceptions.decided_of(self.aggregate_id).filter(|it| *it <= self.row.version) {
            match entry(version) {
                Some(entry) => expected.subtract(entry.sum),
                None => is_known = false,
            }
        }
        if expected != self.row.sum {
            return if is_known { Judged::Diverged(expected) } else { Judged::Unknown };
        }
        match entry(self.row.version + 1).filter(|_| self.row.version < self.store.version) {
            None => Judged::Whole,
            Some(_) if exceptions.parked(self.aggregate_id, self.row.version + 1).is_some() => Judged::Parked,
            Some(entry) => Judged::Awaits(*entry),
        }
    }

    /// What is wrong with a row that should have another sum: the one event that makes the difference, if it is among these.
    pub fn name(&self, projection: &'static str, expected: Sum, entries: &Entries) -> Finding {
        let (mut too_much, mut too_little) = (self.row.sum, expected);
        too_much.subtract(expected);
        too_little.subtract(self.row.sum);
        let row = self.row.version;
        for version in 1..=row {
            let Some(entry) = entries.get(&(self.aggregate_id, version)) else { continue };
            let (kind, effect) = match entry.sum {
                sum if sum == too_little => (Kind::Missing, "no effect on it"),
                sum if sum == too_much => (Kind::Doubled, "effect on it twice"),
                _ => continue,
            };
            let detail = format!("the row is at version {row}, and this event took {effect}");
            let found = self.found(projection, kind, version, detail);
            return found.event(entry.event_id).recorded(entry.recorded_at);
        }
        let detail =
            format!("the row was made of other events: their sum is {}, not {expected}", self.row.sum);
        self.found(projection, Kind::Diverged, row, detail)
    }

    pub(super) fn found(
        &self,
        projection: &'static str,
        kind: Kind,
        version: u64,
        detail: String,
    ) -> Finding {
        Finding::new(Stage::Sink(projection), kind, detail).of(&self.tenant, self.aggregate_id, version)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::exceptions::{Decided, Parked};

    const ID: AggregateId = AggregateId(Uuid::from_u128(7));

    fn entry(version: u64) -> Entry {
        let mut sum = Sum::default();
        let event_id = EventId(Uuid::from_u128(version.into()));
        sum.add(ID, version, event_id, events::Digest::of(b"payload"));
        Entry { event_id, sum, recorded_at: Timestamp::from_micros(version.cast_signed()) }
    }

    /// The account of these versions, at the last of them.
    fn account(versions: &[u64]) -> Account {
        let mut account = Account::default();
        for version in versions {
            account.version = account.version.max(*version);
            account.sum.merge(entry(*version).sum);
        }
        account
    }

    fn suspect(row: Account, store: &[u64]) -> Suspect {
        Suspect { tenant: "acme".parse().unwrap(), aggregate_id: ID, row, store: account(store) }
    }

    fn judged(suspect: &Suspect, exceptions: &Exceptions, known: &[u64]) -> Judged {
        let entries = known.iter().map(|version| ((ID, *version), entry(*version))).collect();
        suspect.judge("views", exceptions, &entries)
    }

    fn wrong(suspect: &Suspect) -> (Kind, Option<u64>, Option<EventId>) {
        let entries = [1, 2, 3, 4].map(|version| ((ID, version), entry(version))).into();
        let finding = match suspect.judge("views", &Exceptions::default(), &entries) {
            Judged::Wrong(finding) => *finding,
            Judged::Diverged(expected) => suspect.name("views", expected, &entries),
            other => panic!("{other:?}"),
        };
        (finding.kind, finding.version, finding.event_id)
    }

    #[test]
    fn a_row_behind_or_ahead_is_held_to_the_events_in_between() {
        let none = Exceptions::default();
        let behind = suspect(account(&[1, 2]), &[1, 2, 3, 4]);
        assert_eq!(behind.between(), (2, 4));
        assert_eq!(judged(&behind, &none, &[3, 4]), Judged::Awaits(entry(3)));
        let ahead = suspect(account(&[1, 2, 3]), &[1]);
        assert_eq!((ahead.between(), judged(&ahead, &none, &[2, 3])), ((1, 3), Judged::Whole));
        let absent = suspect(Account::default(), &[1, 2]);
        assert_eq!(judged(&absent, &none, &[1, 2]), Judged::Awaits(entry(1)));
    }

    #[test]
    fn the_event_that_makes_the_difference_is_named() {
        let id = |version| Some(entry(version).event_id);
        let lacking = suspect(Account { version: 3, ..account(&[1, 3]) }, &[1, 2, 3]);
        assert_eq!(wrong(&lacking), (Kind::Missing, Some(2), id(2)));
        let twice = suspect(account(&[1, 2, 2, 3]), &[1, 2, 3, 4]);
        assert_eq!(wrong(&twice), (Kind::Doubled, Some(2), id(2)));
        let others = suspect(Account { version: 3, ..account(&[1]) }, &[1, 2, 3]);
        assert_eq!(wrong(&others), (Kind::Diverged, Some(3), None));
        let foreign = suspect(account(&[1, 2, 3, 4, 5]), &[1, 2, 3]);
        assert_eq!(wrong(&foreign), (Kind::Foreign, Some(5), None));
    }

    #[test]
    fn what_is_parked_or_decided_is_no_difference() {
        let mut exceptions = Exceptions::default();
        exceptions.decide(Decided { record: None, event: Some((ID, 2)), reason: "no".into() });
        let without = suspect(Account { version: 3, ..account(&[1, 3]) }, &[1, 2, 3, 4]);
        assert_eq!(judged(&without, &exceptions, &[2, 4]), Judged::Awaits(entry(4)));
        assert_eq!(judged(&without, &exceptions, &[4]), Judged::Unknown, "version 2 left the store");
        let event = Some((ID, 4));
        exceptions.park(Parked { partition: 0, offset: 9, event, reason: "refused".into() });
        assert_eq!(judged(&without, &exceptions, &[2, 4]), Judged::Parked);
        let with = suspect(account(&[1, 2, 3]), &[1, 2, 3]);
        assert!(
            matches!(judged(&with, &exceptions, &[2]), Judged::Diverged(_)),
            "it took effect though it was not to"
        );
    }
}
