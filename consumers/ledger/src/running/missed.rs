//! Events that a sink misses: whether their topic has them.

use std::collections::BTreeMap;

use events::{AggregateId, EventId, Timestamp};

use super::report::RunningReport;
use crate::finding::{Finding, Kind, Stage};

/// An event that a sink misses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    /// The first projection that misses it.
    pub projection: &'static str,
    /// Which event.
    pub event_id: EventId,
    /// Whose.
    pub aggregate_id: AggregateId,
    /// When the store wrote it.
    pub recorded_at: Timestamp,
}

/// What a topic was found to have of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    /// Which topic.
    pub topic: String,
    /// The partition that its key belongs to.
    pub partition: i32,
    /// The offset of its first record.
    pub offset: Option<i64>,
    /// How many records were looked at.
    pub records: u64,
}

impl RunningReport {
    /// The events that sinks miss, each once.
    pub fn missed(&self) -> Vec<Missed> {
        let mut missed = BTreeMap::new();
        for finding in self.findings.iter().filter(|finding| finding.kind == Kind::Missing) {
            let (Stage::Sink(projection), Some(event_id)) = (finding.stage, finding.event_id) else {
                continue;
            };
            let Some((aggregate_id, recorded_at)) = finding.aggregate_id.zip(finding.recorded_at) else {
                continue;
            };
            missed.entry(event_id).or_insert(Missed { projection, event_id, aggregate_id, recorded_at });
        }
        missed.into_values().collect()
    }

    /// Takes in where one of them was found; where it was not, the topic misses it, too.
    pub fn sought(&mut self, event_id: EventId, sought: &Sought) {
        let Sought { topic, partition, offset, records } = sought;
        let mut at_topic = None;
        for finding in self.findings.iter_mut().filter(|finding| finding.event_id == Some(event_id)) {
            *finding = match offset {
                Some(offset) => finding.clone().on(topic).at(*partition, *offset),
                None => finding.clone().on(topic),
            };
            at_topic = Some(finding.clone());
        }
        if let Some(finding) = at_topic.filter(|_| offset.is_none()) {
            let detail = format!(
                "it is none of the {records} records of partition {partition} since the store has had it"
            );
            self.findings
                .insert(0, Finding { stage: Stage::Topic, detail, partition: Some(*partition), ..finding });
            self.found += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::RunningStages;

    const EVENT: EventId = EventId(Uuid::from_u128(3));

    /// Two sinks miss an event.
    fn report() -> RunningReport {
        let mut report = RunningStages::default().finish(9, Duration::ZERO);
        for projection in ["one", "other"] {
            let finding = Finding::new(Stage::Sink(projection), Kind::Missing, "it is not there");
            let finding = finding.of(&"acme".parse().unwrap(), AggregateId(Uuid::from_u128(7)), 2);
            report.findings.push(finding.event(EVENT).recorded(Timestamp::from_micros(5)));
        }
        report.found = 2;
        report
    }

    #[test]
    fn an_event_that_its_topic_has_is_missed_at_the_sinks_with_its_place() {
        let mut report = report();
        let [missed] = report.missed()[..] else { panic!("once") };
        assert_eq!((missed.event_id, missed.projection), (EVENT, "one"));
        let sought = Sought { topic: "events".into(), partition: 1, offset: Some(40), records: 3 };
        report.sought(EVENT, &sought);
        let places: Vec<_> = report.findings.iter().map(|it| (it.stage, it.partition, it.offset)).collect();
        assert_eq!(
            places,
            [(Stage::Sink("one"), Some(1), Some(40)), (Stage::Sink("other"), Some(1), Some(40))]
        );
        assert_eq!(report.found, 2);
    }

    #[test]
    fn an_event_that_its_topic_has_not_is_missed_there_first() {
        let mut report = report();
        report.sought(EVENT, &Sought { topic: "events".into(), partition: 1, offset: None, records: 3 });
        let stages: Vec<_> = report.findings.iter().map(|finding| finding.stage).collect();
        assert_eq!(stages, [Stage::Topic, Stage::Sink("one"), Stage::Sink("other")]);
        assert_eq!((report.findings[0].partition, report.found), (Some(1), 3));
    }
}
