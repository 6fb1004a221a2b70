//! What the comparison says.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::sink::{Running, RunningCounts, Streams};
use crate::finding::{Finding, Findings, Kind, Stage};

/// What was compared, and what came of it.
#[derive(Debug, Serialize)]
pub struct RunningReport {
    /// What it amounts to.
    pub verdict: RunningVerdict,
    /// The store was followed up to this position.
    pub position: u64,
    /// How many aggregates it has.
    pub aggregates: usize,
    /// How many events these have.
    pub events: u64,
    /// Each sink.
    pub sinks: Vec<RunningCounts>,
    /// The first differences of each kind at each stage.
    pub findings: Vec<Finding>,
    /// How many differences there are.
    pub found: usize,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// What a comparison amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunningVerdict {
    /// Every row is made of the events of the store up to its version, and what it lacks is on its way or parked.
    Proved,
    /// The same, but something is on its way for too long: a sink is behind its topic.
    Behind,
    /// Something is not where it should be.
    Refuted,
    /// The store, or a sink, had nothing to compare; that proves nothing.
    Vacuous,
}

/// What is found while stages are compared, one after the other.
#[derive(Debug, Default)]
pub struct RunningStages {
    aggregates: usize,
    events: u64,
    sinks: Vec<RunningCounts>,
    findings: Findings,
    is_idle: bool,
}

impl RunningStages {
    /// Takes in what the store has of one type of aggregates.
    pub fn store(&mut self, streams: &Streams) {
        self.aggregates += streams.len();
        self.events += streams.values().map(|stream| stream.account.version).sum::<u64>();
        for (id, stream) in streams {
            if let Some(version) = stream.lacks {
                let detail = "the store has later versions, and not this one";
                let finding = Finding::new(Stage::Store, Kind::Missing, detail);
                self.findings.add(finding.of(&stream.tenant, *id, version));
            }
        }
    }

    /// Takes in what was found at a sink.
    pub fn sink(&mut self, sink: Running<'_>) {
        let has_events = !sink.streams.is_empty();
        self.findings.append(sink.findings);
        self.is_idle |= has_events && sink.counts.rows == 0;
        self.sinks.push(sink.counts);
    }

    /// The comparison.
    pub fn finish(self, position: u64, took: Duration) -> RunningReport {
        let Self { aggregates, events, sinks, findings, is_idle } = self;
        let (findings, found) = findings.take();
        let verdict = if !findings.is_empty() {
            RunningVerdict::Refuted
        } else if sinks.iter().any(|sink| sink.late > 0) {
            RunningVerdict::Behind
        } else if events == 0 || is_idle {
            RunningVerdict::Vacuous
        } else {
            RunningVerdict::Proved
        };
        let found = found.iter().map(|(_, _, count)| count).sum();
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        RunningReport { verdict, position, aggregates, events, sinks, findings, found, took_ms }
    }
}

impl fmt::Display for RunningReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verdict, position, aggregates, events, sinks, findings, found, took_ms } = self;
        writeln!(f, "store: {events} events of {aggregates} aggregates, followed up to position {position}")?;
        for counts in sinks {
            let RunningCounts {
                projection,
                rows,
                events,
                in_flight,
                late,
                oldest_ms,
                parked,
                unknown,
                folded,
                places,
                totals,
            } = counts;
            write!(f, "{projection}: {rows} rows at {events} events, {folded} of them folded anew")?;
            if *places > 0 {
                write!(f, ", {places} places on leaderboards")?;
            }
            if *totals > 0 {
                write!(f, ", {totals} totals")?;
            }
            if *in_flight > 0 {
                let oldest_s = *oldest_ms as f64 / 1_000.0;
                write!(
                    f,
                    ", {in_flight} with an event on its way ({late} of them late, the oldest {oldest_s:.1} s)"
                )?;
            }
            if *parked > 0 {
                write!(f, ", {parked} parked")?;
            }
            if *unknown > 0 {
                write!(f, ", {unknown} not to be judged: events that were decided about left the store")?;
            }
            writeln!(f)?;
        }
        for finding in findings {
            writeln!(f, "{finding}")?;
        }
        if *found > findings.len() {
            writeln!(f, "in all: {found} differences")?;
        }
        let said = match verdict {
            RunningVerdict::Proved => {
                "proved: every row is made of the store's events up to its version, each once, and none is late"
            }
            RunningVerdict::Behind => {
                "behind: what is applied is right, but not everything is applied in time"
            }
            RunningVerdict::Refuted => "refuted",
            RunningVerdict::Vacuous => "vacuous: the store or a sink has no events, so nothing is proved",
        };
        writeln!(f, "{said} ({took_ms} ms)")
    }
}
