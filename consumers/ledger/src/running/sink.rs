//! One sink while it is compared.

use std::collections::{HashMap, HashSet};

use events::{AggregateId, Sum, TenantId, Timestamp};
use serde::Serialize;

use super::suspect::{Account, Entries, Entry, Judged, Suspect};
use crate::exceptions::Exceptions;
use crate::finding::{Finding, Findings, Kind, Stage};
use crate::sink::Sampled;

/// One aggregate as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Whose it is.
    pub tenant: TenantId,
    /// How far it is.
    pub account: Account,
    /// The first version that the store should have had and had not.
    pub lacks: Option<u64>,
}

/// All aggregates of one type.
pub type Streams = HashMap<AggregateId, Stream>;

/// When what is looked at, to tell what is on its way from what is not.
#[derive(Debug, Clone, Copy)]
pub struct Moments {
    /// When the rows were looked at.
    pub now: Timestamp,
    /// Before that: everything that was in the topic by then is applied or parked. `None`: that is not known.
    pub as_of: Option<Timestamp>,
    /// How long an event may take from the store to its topic, in microseconds.
    pub bound_micros: i64,
}

/// A sink while it is compared. Feed it every [`row`](Self::row), ask which of them are [suspect](Self::suspects), and have each
/// of them [judged](Self::judge).
#[derive(Debug)]
pub struct Running<'s> {
    projection: &'static str,
    pub(super) streams: &'s Streams,
    seen: HashSet<AggregateId>,
    unsound: HashSet<AggregateId>,
    suspects: Vec<Suspect>,
    lost: Vec<Lost>,
    pub(super) findings: Findings,
    pub(super) counts: RunningCounts,
}

/// What a sink lost behind a row: events that it would take if they came again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// Whose row.
    pub aggregate_id: AggregateId,
    /// The version of the row.
    pub above: u64,
    /// The last version that is lost: what comes behind it is parked.
    pub through: u64,
}

/// What was found at a sink.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RunningCounts {
    /// The projection.
    pub projection: &'static str,
    /// Rows, each compared.
    pub rows: u64,
    /// Events up to the versions of the rows.
    pub events: u64,
    /// Rows whose next event is on its way.
    pub in_flight: u64,
    /// Of these, rows whose next event is on its way for longer than it should be, since the sink is behind its topic.
    pub late: u64,
    /// For how long the first of them is, in milliseconds.
    pub oldest_ms: i64,
    /// Rows whose next event is parked.
    pub parked: u64,
    /// Rows of which nobody can say any more what they should be made of.
    pub unknown: u64,
    /// Rows, picked at random, whose events were folded anew and compared with what they show.
    pub folded: u64,
    /// Places of these on leaderboards, compared with the rows.
    pub places: u64,
    /// Totals, compared with the sum over all rows at the last look that was taken at them.
    pub totals: u64,
}

impl<'s> Running<'s> {
    /// A sink of aggregates of which the store has these.
    pub fn new(projection: &'static str, streams: &'s Streams) -> Self {
        Self {
            projection,
            streams,
            seen: HashSet::with_capacity(streams.len()),
            unsound: HashSet::new(),
            suspects: Vec::new(),
            lost: Vec::new(),
            findings: Findings::default(),
            counts: RunningCounts { projection, ..RunningCounts::default() },
        }
    }

    /// What a row says of itself.
    pub fn row(&mut self, tenant: &TenantId, aggregate_id: AggregateId, row: Account) {
        self.counts.rows += 1;
        self.counts.events += row.version;
        let stream = self.streams.get(&aggregate_id);
        let found = |kind, detail: String| {
            let finding = Finding::new(Stage::Sink(self.projection), kind, detail);
            finding.of(tenant, aggregate_id, row.version)
        };
        if !self.seen.insert(aggregate_id) {
            let second = found(Kind::Doubled, "the sink has a second row of it".into());
            return self.refute(second);
        }
        if let Some(stream) = stream.filter(|stream| stream.tenant != *tenant) {
            let other = found(Kind::Diverged, format!("its events are of tenant {}", stream.tenant));
            return self.refute(other);
        }
        let store = stream.map(|stream| stream.account).unwrap_or_default();
        if row != store {
            self.suspects.push(Suspect { tenant: tenant.clone(), aggregate_id, row, store });
        }
    }

    /// What has to be looked at more closely, now that every row was shown.
    pub fn suspects(&mut self) -> Vec<Suspect> {
        let absent = self.streams.iter().filter(|(id, _)| !self.seen.contains(id));
        let absent = absent.map(|(id, stream)| Suspect {
            tenant: stream.tenant.clone(),
            aggregate_id: *id,
            row: Account::default(),
            store: stream.account,
        });
        self.suspects.extend(absent);
        std::mem::take(&mut self.suspects)
    }

    /// Judges one of them. Of those that diverge it answers what they should be made of, for [`name`](Self::name).
    pub fn judge(
        &mut self,
        suspect: &Suspect,
        exceptions: &Exceptions,
        entries: &Entries,
        moments: Moments,
    ) -> Option<Sum> {
        match suspect.judge(self.projection, exceptions, entries) {
            Judged::Whole => {}
            Judged::Parked => self.counts.parked += 1,
            Judged::Unknown => self.counts.unknown += 1,
            Judged::Awaits(next) => self.awaits(suspect, exceptions, &next, moments),
            Judged::Wrong(finding) => self.refute(*finding),
            Judged::Diverged(expected) => return Some(expected),
        }
        None
    }

    /// Takes in one that diverges, by the event that makes the difference, if it is among these.
    pub fn name(&mut self, suspect: &Suspect, expected: Sum, entries: &Entries) {
        self.refute(suspect.name(self.projection, expected, entries));
    }

    /// A row is not made of what it should be.
    fn refute(&mut self, finding: Finding) {
        self.unsound.extend(finding.aggregate_id);
        self.findings.add(finding);
    }

    /// Aggregates whose rows are made of what they should be, if there are rows: what these show can be compared, too.
    pub fn sound(&self) -> impl Iterator<Item = (AggregateId, &'s Stream)> {
        self.streams.iter().map(|(id, stream)| (*id, stream)).filter(|(id, _)| !self.unsound.contains(id))
    }

    /// Takes in what was found of what its rows show.
    pub fn sampled(&mut self, sampled: Sampled) {
        self.counts.folded += sampled.folded;
        self.counts.places += sampled.places;
        self.counts.totals += sampled.totals;
        self.findings.append(sampled.findings);
    }

    /// Every row behind which something is lost, those included that are not named.
    pub fn lost(&self) -> &[Lost] {
        &self.lost
    }

    fn awaits(&mut self, suspect: &Suspect, exceptions: &Exceptions, next: &Entry, moments: Moments) {
        let age = moments.now.micros() - next.recorded_at.micros();
        let due = next.recorded_at.micros() + moments.bound_micros;
        if moments.as_of.is_some_and(|as_of| as_of.micros() > due) {
            let detail = format!(
                "the store has had it for {} s, and the sink, which has done everything in its topic since, has not applied it",
                age / 1_000_000
            );
            let version = suspect.row.version + 1;
            let is_parked = |version: &u64| exceptions.parked(suspect.aggregate_id, *version).is_some();
            let behind = (version..=suspect.store.version).find(is_parked);
            self.lost.push(Lost {
                aggregate_id: suspect.aggregate_id,
                above: suspect.row.version,
                through: behind.map_or(suspect.store.version, |parked| parked - 1),
            });
            let lost = suspect.found(self.projection, Kind::Missing, version, detail);
            return self.findings.add(lost.event(next.event_id).recorded(next.recorded_at));
        }
        self.counts.in_flight += 1;
        self.counts.late += u64::from(age > moments.bound_micros);
        self.counts.oldest_ms = self.counts.oldest_ms.max(age / 1_000);
    }
}

#[cfg(test)]
mod tests {
    use events::{Digest, EventId};
    use uuid::Uuid;

    use super::*;
    use crate::{RunningReport, RunningStages, RunningVerdict};

    const ID: AggregateId = AggregateId(Uuid::from_u128(7));
    const SECOND: i64 = 1_000_000;

    fn sum(version: u64) -> Sum {
        let mut sum = Sum::default();
        sum.add(ID, version, EventId(Uuid::from_u128(version.into())), Digest::of(b"payload"));
        sum
    }

    /// The report on a row at version 1 of an aggregate at version 2, which was recorded in the second 100, as it is in the second
    /// `now` with everything in the topic done as of the second `as_of`; ten seconds are the bound.
    fn report(now: i64, as_of: Option<i64>) -> RunningReport {
        let tenant: TenantId = "acme".parse().unwrap();
        let mut account = Account { version: 2, sum: sum(1) };
        account.sum.merge(sum(2));
        let streams = Streams::from([(ID, Stream { tenant: tenant.clone(), account, lacks: None })]);
        let mut running = Running::new("views", &streams);
        running.row(&tenant, ID, Account { version: 1, sum: sum(1) });
        let (event_id, recorded_at) = (EventId(Uuid::from_u128(2)), Timestamp::from_micros(100 * SECOND));
        let entries = Entries::from([((ID, 2), Entry { event_id, sum: sum(2), recorded_at })]);
        let micros = |seconds: i64| Timestamp::from_micros(seconds * SECOND);
        let moments = Moments { now: micros(now), as_of: as_of.map(micros), bound_micros: 10 * SECOND };
        for suspect in running.suspects() {
            assert_eq!(running.judge(&suspect, &Exceptions::default(), &entries, moments), None);
        }
        let mut stages = RunningStages::default();
        stages.store(&streams);
        stages.sink(running);
        stages.finish(9, std::time::Duration::ZERO)
    }

    #[test]
    fn an_event_is_missed_once_its_topic_has_been_done_for_long_enough() {
        let on_its_way = report(105, Some(104));
        assert_eq!((on_its_way.verdict, on_its_way.sinks[0].in_flight), (RunningVerdict::Proved, 1));
        for as_of in [None, Some(110)] {
            let late = report(130, as_of);
            assert_eq!((late.verdict, late.sinks[0].late), (RunningVerdict::Behind, 1));
            assert_eq!(late.sinks[0].oldest_ms, 30_000);
        }
        let lost = report(130, Some(111));
        assert_eq!((lost.verdict, lost.found), (RunningVerdict::Refuted, 1));
        assert_eq!((lost.findings[0].kind, lost.findings[0].version), (Kind::Missing, Some(2)));
    }

    #[test]
    fn a_second_row_another_tenants_row_and_a_hole_in_the_store_are_named() {
        let (acme, globex): (TenantId, TenantId) = ("acme".parse().unwrap(), "globex".parse().unwrap());
        let account = Account { version: 2, sum: sum(2) };
        let streams = Streams::from([(ID, Stream { tenant: acme.clone(), account, lacks: Some(1) })]);
        let mut running = Running::new("views", &streams);
        running.row(&globex, ID, account);
        running.row(&acme, ID, account);
        assert_eq!(running.suspects(), []);
        let mut stages = RunningStages::default();
        stages.store(&streams);
        stages.sink(running);
        let report = stages.finish(9, std::time::Duration::ZERO);
        let kinds: Vec<_> = report.findings.iter().map(|finding| (finding.stage, finding.kind)).collect();
        let sink = Stage::Sink("views");
        assert_eq!(kinds, [(Stage::Store, Kind::Missing), (sink, Kind::Diverged), (sink, Kind::Doubled)]);
    }

    #[test]
    fn nothing_compared_is_nothing_proved() {
        let report = RunningStages::default().finish(0, std::time::Duration::ZERO);
        assert_eq!(report.verdict, RunningVerdict::Vacuous);
    }
}
