//! What the comparison says.

use std::collections::BTreeMap;
use std::fmt;

use events::Sum;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::exceptions::{Republished, Skipped};
use crate::finding::{Explained, Finding, Kind, Stage};
use crate::pruned::PrunedCounts;

/// The comparison's result.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// How much was compared.
    pub counts: Counts,
    /// The first differences of each kind at each stage: the store's, then the topic's, then the sinks'.
    pub findings: Vec<Finding>,
    /// How many differences there are of each kind at each stage, kept or not.
    pub found: Vec<(Stage, Kind, usize)>,
    /// What is absent for a known reason.
    pub explained: Vec<Explained>,
    /// Rows that were let by on their way to the topics.
    pub skipped: Vec<Skipped>,
    /// Events whose records lie behind later versions, since they were published again.
    pub republished: Vec<Republished>,
}

/// What a report amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything is where it should be, once, in order, unchanged.
    Proved,
    /// Something is not.
    Refuted,
    /// The store, or a sink, had nothing to compare; that proves nothing.
    Vacuous,
}

/// How much was compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// In the store.
    pub store: StoreCounts,
    /// In the topic.
    pub topic: TopicCounts,
    /// In each sink.
    pub sinks: Vec<SinkCounts>,
}

/// What the store has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StoreCounts {
    /// Events.
    pub events: usize,
    /// Aggregates they belong to.
    pub aggregates: usize,
    /// Tenants these belong to.
    pub tenants: usize,
    /// How many of the events belong on each topic.
    pub topics: BTreeMap<String, usize>,
    /// Sum over the events.
    pub sum: Sum,
    /// What left it on purpose.
    pub pruned: Vec<PrunedCounts>,
}

/// What the topic has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TopicCounts {
    /// Records.
    pub records: usize,
    /// Partitions that have any, of all topics.
    pub partitions: usize,
    /// Records of events that came before; allowed, since consumers skip them by version.
    pub duplicates: usize,
    /// Records of events that left the store on purpose.
    pub pruned: usize,
    /// Events of the store, there or gone on purpose, whose records have left a topic by its retention.
    pub expired: usize,
    /// Records that are no events of the store, and never were.
    pub foreign: usize,
    /// Sum over the events of the store, each where it came first.
    pub sum: Sum,
}

/// What a sink has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SinkCounts {
    /// The projection.
    pub projection: &'static str,
    /// The topic it reads.
    pub topic: &'static str,
    /// Rows.
    pub rows: usize,
    /// Events that the fold of these rows took.
    pub events: usize,
    /// Totals by group.
    pub totals: usize,
    /// Places on leaderboards.
    pub ranks: usize,
    /// Events absent for a known reason.
    pub explained: usize,
    /// Rows whose events left the store, at least some: only their version and sum are compared.
    pub pruned: usize,
    /// Rows whose view has expired: only their version and sum are compared.
    pub expired: usize,
}

impl Report {
    /// What it amounts to.
    pub fn verdict(&self) -> Verdict {
        if !self.findings.is_empty() {
            Verdict::Refuted
        } else if self.counts.store.events == 0 || self.counts.sinks.iter().any(|sink| self.is_idle(sink)) {
            Verdict::Vacuous
        } else {
            Verdict::Proved
        }
    }

    /// Whether a sink that should have something has nothing.
    fn is_idle(&self, sink: &SinkCounts) -> bool {
        sink.events + sink.pruned == 0 && self.counts.store.topics.contains_key(sink.topic)
    }

    /// Whether everything is where it should be. False for a report over nothing.
    pub fn is_proved(&self) -> bool {
        self.verdict() == Verdict::Proved
    }

    /// What is not everywhere, in order and unchanged, for a reason that is known: how many, and which reason.
    fn exceptions(&self) -> Vec<String> {
        let (decided, parked) = self.explained.iter().partition::<Vec<_>, _>(|explained| explained.decided);
        let pruned = self.counts.store.pruned.iter().map(|it| (it.events, it.reason.to_string()));
        let others = [
            (parked.len(), "parked"),
            (decided.len(), "done without by decision"),
            (self.counts.topic.expired, "gone from their topic by retention"),
            (self.skipped.len(), "let by on their way to the topic"),
            (self.republished.len(), "published again behind later versions"),
        ];
        let all = pruned.chain(others.map(|(count, reason)| (count, reason.to_owned())));
        all.filter(|(count, _)| *count > 0).map(|(count, reason)| format!("{count} {reason}")).collect()
    }

    /// The first difference.
    pub fn first(&self) -> Option<&Finding> {
        self.findings.first()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { store, topic, sinks } = &self.counts;
        let StoreCounts { events, aggregates, tenants, topics, sum, pruned } = store;
        writeln!(f, "store: {events} events of {aggregates} aggregates, {tenants} tenants, sum {sum}")?;
        for (topic, events) in topics {
            writeln!(f, "store: {events} events for topic {topic}")?;
        }
        for PrunedCounts { reason, ranges, events } in pruned {
            writeln!(f, "{reason}: {events} events in {ranges} ranges left the store")?;
        }
        let TopicCounts { records, partitions, duplicates, foreign, sum, pruned, expired } = topic;
        if *pruned > 0 {
            writeln!(f, "topics: {pruned} records of events that left the store")?;
        }
        if *expired > 0 {
            writeln!(
                f,
                "topics: {expired} events have left them by retention, and are compared with the sinks alone"
            )?;
        }
        writeln!(
            f,
            "topics: {records} records in {partitions} partitions, {duplicates} duplicates, {foreign} foreign, sum {sum}"
        )?;
        for SinkCounts { projection, rows, events, totals, ranks, explained, pruned, expired, .. } in sinks {
            writeln!(
                f,
                "{projection}: {rows} rows = fold of {events} events, {totals} totals, {ranks} ranks, \
                 {explained} explained absences"
            )?;
            if *pruned > 0 {
                writeln!(
                    f,
                    "{projection}: {pruned} rows have events that left the store; compared by version and sum"
                )?;
            }
            if *expired > 0 {
                writeln!(f, "{projection}: {expired} views have expired; compared by version and sum")?;
            }
        }
        for explained in &self.explained {
            writeln!(f, "explained: {explained}")?;
        }
        for Skipped { event_id, lsn, reason } in &self.skipped {
            writeln!(f, "skipped: the row of event {event_id} at {lsn} of the log ({reason})")?;
        }
        for Republished { event_id, reason } in &self.republished {
            writeln!(f, "published again: event {event_id} lies behind later versions ({reason})")?;
        }
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        for (stage, kind, count) in &self.found {
            writeln!(f, "in all: {count} {kind} at {stage}")?;
        }
        match self.verdict() {
            Verdict::Proved => {
                write!(f, "proved: every event is everywhere, once, in order and unchanged")?;
                match self.exceptions().as_slice() {
                    [] => writeln!(f),
                    exceptions => writeln!(f, ", but for what is explained: {}", exceptions.join(", ")),
                }
            }
            Verdict::Refuted => writeln!(f, "refuted"),
            Verdict::Vacuous => {
                writeln!(f, "vacuous: the store or a sink has no events, so nothing is proved")
            }
        }
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Found {
            stage: Stage,
            kind: Kind,
            count: usize,
        }
        let found =
            self.found.iter().map(|(stage, kind, count)| Found { stage: *stage, kind: *kind, count: *count });
        let mut report = serializer.serialize_struct("Report", 7)?;
        report.serialize_field("verdict", &self.verdict())?;
        report.serialize_field("counts", &self.counts)?;
        report.serialize_field("findings", &self.findings)?;
        report.serialize_field("found", &found.collect::<Vec<_>>())?;
        report.serialize_field("explained", &self.explained)?;
        report.serialize_field("skipped", &self.skipped)?;
        report.serialize_field("republished", &self.republished)?;
        report.end()
    }
}
