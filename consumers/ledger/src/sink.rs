//! The rows of one sink against the fold of the store's events.

use std::collections::HashMap;
use std::fmt::Display;

use events::{AggregateId, Digest, DomainEvent, Metadata, Recorded, Sum, TenantId};
use projection::{Contribution, Projection, Rank, Row, Step, step};
use serde::Serialize;
use serde_json::Value;

use crate::exceptions::Exceptions;
use crate::finding::{Explained, Finding, Findings, Kind, Stage};
use crate::pruned::{Pruned, Reason};
use crate::report::SinkCounts;
use crate::store::StoreRecord;
use crate::sums::{Sums, compare_place};

/// One projection's sink. Feed every [`row`](Self::row), [`total`](Self::total) and [`rank`](Self::rank) it has, then
/// every event of the store in the order of positions ([`store`](Self::store)), then hand it to
/// [`Ledger::sink`](crate::Ledger::sink).
#[derive(Debug)]
pub struct Sink<P: Projection> {
    exceptions: Exceptions,
    rows: HashMap<AggregateId, Compared<P::View>>,
    pruned: HashMap<AggregateId, Left>,
    sums: Sums,
    findings: Findings,
    explained: Vec<Explained>,
    counts: SinkCounts,
}

/// What a sink has of one aggregate, and how far the fold has come.
#[derive(Debug)]
struct Compared<V> {
    tenant: TenantId,
    version: u64,
    /// `None`: no view, a deleted one, or one that has expired.
    shown: Option<V>,
    is_expired: bool,
    sum: Sum,
    fold: Row<V>,
    /// The fold cannot go on; the reason was found already.
    broken: bool,
}

/// Versions of one aggregate that left the store.
#[derive(Debug, Clone, Copy, Default)]
struct Left {
    /// The last of them.
    through: u64,
    /// The last that left because the aggregate was taken back.
    withdrawn: u64,
    /// Whether all of the tenant left.
    is_removed: bool,
    /// Over the events of all of them.
    sum: Sum,
}

impl Left {
    /// Whether a fold of what is left is the row: it begins with a withdrawal, which takes the row away.
    fn is_foldable(self) -> bool {
        self.withdrawn == self.through
    }
}

impl<V: Serialize> Compared<V> {
    /// In what the row is not the fold of its events, now that all of them were folded.
    fn is_not_the_fold(&mut self) -> Option<String> {
        let found = differences(self.shown.take().as_ref(), self.fold.view.take().as_ref())?;
        Some(format!("the row is not the fold of its events up to here: {found}"))
    }

    /// The fold goes on behind what left the store.
    fn begin_after(&mut self, left: &Left) {
        if self.fold.version < left.through {
            self.fold = Row { version: left.through, view: None, sum: left.sum, ..self.fold };
        }
    }

    /// That the row was made of other events than the fold, if it was.
    fn of_others(&self) -> Option<String> {
        let (found, expected) = (self.sum, self.fold.sum);
        let detail = || format!("the row was made of other events: their sum is {found}, not {expected}");
        (found != expected).then(detail)
    }
}

/// What is left when a sink was fed.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) counts: SinkCounts,
    pub(crate) exceptions: Exceptions,
    pub(crate) findings: Findings,
    pub(crate) explained: Vec<Explained>,
}

/// What was found of what rows show while everything goes on: of some that were picked out, or of totals over all.
#[derive(Debug, Clone, Default)]
pub struct Sampled {
    /// Rows that are compared with the fold of their events.
    pub(crate) folded: u64,
    /// Places on leaderboards that are compared with their rows.
    pub(crate) places: u64,
    /// Totals that are compared with the sum over all rows.
    pub(crate) totals: u64,
    pub(crate) findings: Findings,
}

/// Totals that a sink keeps, and what its rows add up to, both as of one moment.
#[derive(Debug)]
pub struct Totals {
    projection: &'static str,
    sums: Sums,
}

impl Totals {
    /// Of a projection.
    pub fn new(projection: &'static str) -> Self {
        Self { projection, sums: Sums::default() }
    }

    /// What a row adds to them.
    pub fn row(&mut self, tenant: &TenantId, aggregate_id: AggregateId, adds: Option<Contribution>) {
        self.sums.row(tenant, aggregate_id, adds, None);
    }

    /// A total, or one partition's share of it; shares are summed.
    pub fn total(
        &mut self,
        tenant: &TenantId,
        group: Vec<(String, String)>,
        amounts: impl IntoIterator<Item = (String, i64)>,
    ) {
        self.sums.total(tenant, group, amounts);
    }

    /// Compares them.
    pub fn finish(self) -> Sampled {
        let mut sampled = Sampled::default();
        let (totals, _) = self.sums.finish(Stage::Sink(self.projection), &mut sampled.findings);
        sampled.totals = totals as u64;
        sampled
    }
}

/// In what two views differ: the names alone, since what is under them may be personal.
fn differences<V: Serialize>(found: Option<&V>, expected: Option<&V>) -> Option<String> {
    let [found, expected] = [found, expected].map(|view| {
        view.map(|view| serde_json::to_value(view).expect("a view is written as JSON by every sink"))
    });
    match (found, expected) {
        (None, None) => None,
        (Some(_), None) => Some("it should have no view".into()),
        (None, Some(_)) => Some("it has no view".into()),
        (Some(Value::Object(found)), Some(Value::Object(expected))) => {
            let mut names: Vec<_> = found.keys().chain(expected.keys()).collect();
            names.sort_unstable();
            names.dedup();
            names.retain(|name| found.get(*name) != expected.get(*name));
            let names: Vec<_> = names.into_iter().map(String::as_str).collect();
            let verb = if names.len() == 1 { "differs" } else { "differ" };
            (!names.is_empty()).then(|| format!("{} {verb}", names.join(", ")))
        }
        (Some(found), Some(expected)) => (found != expected).then(|| "it differs".into()),
    }
}

impl<P: Projection> Default for Sink<P> {
    fn default() -> Self {
        Self {
            exceptions: Exceptions::default(),
            rows: HashMap::new(),
            pruned: HashMap::new(),
            sums: Sums::default(),
            findings: Findings::default(),
            explained: Vec::new(),
            counts: SinkCounts { projection: P::NAME, topic: P::Event::TOPIC, ..SinkCounts::default() },
        }
    }
}

impl<P: Projection> Sink<P> {
    /// What is parked and decided there. Where that may change meanwhile, it is to be asked after the rows were.
    pub fn except(&mut self, exceptions: Exceptions) {
        self.exceptions = exceptions;
    }

    /// Versions that left the store on purpose. A fold of what is left would be another one, so the rows of such aggregates
    /// are compared by version and sum alone, unless they were taken back; those of a removed tenant must have no view any more.
    pub fn pruned(&mut self, pruned: &Pruned) {
        let left = self.pruned.entry(pruned.aggregate_id).or_default();
        left.through = left.through.max(pruned.to_version);
        left.sum.merge(pruned.digest);
        match pruned.reason {
            Reason::Archived => {}
            Reason::Withdrawn => left.withdrawn = left.withdrawn.max(pruned.to_version),
            Reason::TenantRemoved => left.is_removed = true,
        }
    }

    /// A row that the sink has. It has no view where the view was deleted or every event so far was decided away.
    pub fn row(&mut self, tenant: &TenantId, aggregate_id: AggregateId, row: Row<P::View>) {
        self.counts.rows += 1;
        let Row { version, view: shown, is_expired, sum } = row;
        let view = shown.as_ref();
        self.sums.row(tenant, aggregate_id, view.and_then(P::contribution), view.and_then(P::rank));
        let tenant_id = tenant.clone();
        self.counts.expired += usize::from(is_expired);
        let (fold, broken) = (Row::default(), false);
        let row = Compared { tenant: tenant_id, version, shown, is_expired, sum, fold, broken };
        if let Some(other) = self.rows.insert(aggregate_id, row) {
            let detail = format!("the sink has a second row of it, at version {}", other.version);
            self.findings.add(Self::finding(Kind::Doubled, detail).of(tenant, aggregate_id, version));
        }
    }

    /// A total that the sink keeps, or one partition's share of it; shares are summed.
    pub fn total(
        &mut self,
        tenant: &TenantId,
        group: Vec<(String, String)>,
        amounts: impl IntoIterator<Item = (String, i64)>,
    ) {
        self.sums.total(tenant, group, amounts);
    }

    /// A place on a leaderboard that the sink keeps.
    pub fn rank(&mut self, tenant: &TenantId, board: &str, aggregate_id: AggregateId, score: i64) {
        if !self.sums.rank(tenant, board, aggregate_id, score) {
            let detail = format!("it is twice on leaderboard {board}, once with score {score}");
            let finding = Self::finding(Kind::Doubled, detail);
            self.findings.add(Finding {
                tenant: Some(tenant.clone()),
                aggregate_id: Some(aggregate_id),
                ..finding
            });
        }
    }

    /// The place, if it has one, of a row that was picked out, on the leaderboard where the row belongs.
    pub fn place(&mut self, tenant: &TenantId, aggregate_id: AggregateId, rank: Rank, kept: Option<i64>) {
        self.counts.ranks += 1;
        let stage = Stage::Sink(P::NAME);
        compare_place(stage, (tenant, aggregate_id), rank.board, rank.score, kept, &mut self.findings);
    }

    /// The next event of the store, in the order of positions, with the means to read its payload.
    pub fn store<E: Display>(
        &mut self,
        record: &StoreRecord<'_>,
        decode: impl FnOnce(&[u8]) -> Result<P::Event, E>,
    ) {
        let StoreRecord { tenant, aggregate_id, version, event_id, .. } = *record;
        let of_event = |kind, detail: String| {
            Self::finding(kind, detail).of(tenant, aggregate_id, version).event(event_id)
        };
        let Some(row) = self.rows.get_mut(&aggregate_id).filter(|row| version <= row.version) else {
            let finding = of_event(Kind::Missing, "the store has it, the sink has not applied it".into());
            return self.absent(aggregate_id, version, finding);
        };
        if row.broken {
            return;
        }
        if row.tenant != *tenant {
            row.broken = true;
            let detail = format!("the sink has its row under tenant {}", row.tenant);
            return self.findings.add(of_event(Kind::Diverged, detail));
        }
        match self.pruned.get(&aggregate_id) {
            Some(left) if left.is_foldable() => row.begin_after(left),
            Some(left) => {
                row.begin_after(left);
                row.fold.version = version;
                if self.exceptions.decided(aggregate_id, version).is_none() {
                    row.fold.sum.add(aggregate_id, version, event_id, Digest::of(record.payload));
                }
                return;
            }
            None => {}
        }
        if let Some(reason) = self.exceptions.decided(aggregate_id, version) {
            let finding = of_event(Kind::Missing, "it has no effect".into());
            let (projection, reason) = (P::NAME, reason.to_owned());
            self.explained.push(Explained { projection, decided: true, reason, finding });
            row.fold.version = version;
        } else {
            let fold = std::mem::take(&mut row.fold);
            match Self::fold(fold, record, decode) {
                Ok(next) => {
                    self.counts.events += 1;
                    // What was finished may have expired: then only of which events it was made can be compared.
                    let has_expired = row.is_expired && next.view.as_ref().and_then(P::finished_at).is_some();
                    row.fold = if has_expired { Row { view: None, is_expired: true, ..next } } else { next };
                }
                Err(why) => {
                    row.broken = true;
                    return self
                        .findings
                        .add(of_event(Kind::Diverged, format!("the sink applied it, but {why}")));
                }
            }
        }
        if row.fold.version < row.version {
            return;
        }
        let is_known = |left: &Left| !self.exceptions.has_decided(aggregate_id, left.through);
        let wrong = row.is_not_the_fold().or_else(|| {
            // What was decided about and left the store, nobody can subtract any more.
            row.of_others().filter(|_| self.pruned.get(&aggregate_id).is_none_or(is_known))
        });
        if let Some(wrong) = wrong {
            row.broken = true;
            self.findings.add(of_event(Kind::Diverged, wrong));
        }
    }

    /// The row after one more event, or why there is none.
    fn fold<E: Display>(
        row: Row<P::View>,
        record: &StoreRecord<'_>,
        decode: impl FnOnce(&[u8]) -> Result<P::Event, E>,
    ) -> Result<Row<P::View>, String> {
        let event = Recorded {
            tenant: record.tenant.clone(),
            aggregate_id: record.aggregate_id,
            version: record.version,
            event_id: record.event_id,
            recorded_at: record.recorded_at,
            metadata: Metadata::default(),
            payload: decode(record.payload).map_err(|error| format!("it cannot be decoded: {error}"))?,
        };
        match step::<P>(row, &event, Digest::of(record.payload)) {
            Step::Applied(next) => Ok(next),
            Step::Stale => Err("the store has its version twice".into()),
            Step::Gap { expected, .. } => Err(format!("the store has no version {expected} before it")),
            Step::Refused(refusal) => Err(format!("the projection refuses it: {refusal}")),
        }
    }

    /// Nothing is absent unexplained.
    fn absent(&mut self, aggregate: AggregateId, version: u64, finding: Finding) {
        let parked = self.exceptions.parked(aggregate, version).map(|reason| (false, reason));
        let decided = self.exceptions.decided(aggregate, version).map(|reason| (true, reason));
        match decided.or(parked) {
            Some((decided, reason)) => {
                let (projection, reason) = (P::NAME, reason.to_owned());
                self.explained.push(Explained { projection, decided, reason, finding });
            }
            None => self.findings.add(finding),
        }
    }

    fn finding(kind: Kind, detail: impl Into<String>) -> Finding {
        Finding::new(Stage::Sink(P::NAME), kind, detail)
    }

    /// Rows whose events left the store: as far as those went, they are where they should be.
    fn settle_pruned(&mut self) {
        for (aggregate, row) in &mut self.rows {
            let Some(left) = self.pruned.get(aggregate).filter(|left| !left.is_foldable()) else { continue };
            self.counts.pruned += 1;
            row.begin_after(left);
            let wrong = if left.is_removed && row.shown.is_some() {
                let detail = "its tenant was removed, but the sink has a view of it";
                Some(Self::finding(Kind::Foreign, detail))
            } else {
                let is_known =
                    row.fold.version == row.version && !self.exceptions.has_decided(*aggregate, left.through);
                row.of_others().filter(|_| is_known).map(|detail| Self::finding(Kind::Diverged, detail))
            };
            if let Some(wrong) = wrong {
                row.broken = true;
                self.findings.add(wrong.of(&row.tenant, *aggregate, row.version));
            }
        }
    }

    /// Ends the comparison of a sink that was fed some of its rows with their [places](Self::place), and of the store the events of
    /// these. Totals are those of all rows.
    pub fn sampled(mut self) -> Sampled {
        let is_folded = |(id, row): &(&AggregateId, &Compared<P::View>)| {
            !row.is_expired && self.pruned.get(id).is_none_or(|left| left.is_foldable())
        };
        let folded = self.rows.iter().filter(is_folded).count() as u64;
        self.settle();
        Sampled { folded, places: self.counts.ranks as u64, totals: 0, findings: self.findings }
    }

    pub(crate) fn finish(mut self) -> Outcome {
        self.settle();
        (self.counts.totals, self.counts.ranks) = self.sums.finish(Stage::Sink(P::NAME), &mut self.findings);
        self.counts.explained = self.explained.len();
        let Self { exceptions, findings, explained, counts, .. } = self;
        Outcome { counts, exceptions, findings, explained }
    }

    /// Every event of the store was shown by now.
    fn settle(&mut self) {
        self.settle_pruned();
        let rows = std::mem::take(&mut self.rows).into_iter();
        let mut ahead: Vec<_> =
            rows.filter(|(_, row)| !row.broken && row.fold.version < row.version).collect();
        ahead.sort_by_key(|(aggregate, _)| *aggregate);
        for (aggregate, row) in ahead {
            let detail = match row.fold.version {
                0 => "the store does not know the aggregate of this row".into(),
                last => format!("the row is ahead of the store, whose last version of it is {last}"),
            };
            self.findings.add(Self::finding(Kind::Foreign, detail).of(&row.tenant, aggregate, row.version));
        }
    }
}
