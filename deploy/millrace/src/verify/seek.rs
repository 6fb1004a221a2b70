//! Looking for events that sinks miss in their topics: which stage lost them, and where the record is.

use std::collections::HashMap;
use std::ops::ControlFlow;

use kafka::{Record, TopicReader, partition_of};
use ledger::{Missed, RunningReport, Sought};

use super::full::of_topic;
use crate::program::projections;

/// Records of a partition that are looked at, those first that were written when the store wrote the event.
const RECORDS_MAX: u64 = 200_000;

/// Tells of every event that a sink misses whether its topic has it. Blocks.
pub(super) fn seek(reader: &TopicReader, report: &mut RunningReport, bound_ms: i64) -> anyhow::Result<()> {
    let mut partitions = HashMap::new();
    for missed in report.missed() {
        let Some(projection) = projections().iter().find(|it| it.name() == missed.projection) else {
            continue;
        };
        let topic = projection.topic();
        let count = match partitions.get(topic) {
            Some(count) => *count,
            None => *partitions.entry(topic).or_insert(reader.watermarks(topic)?.len()),
        };
        let sought = seek_one(reader, topic, i32::try_from(count)?, &missed, bound_ms)?;
        report.sought(missed.event_id, &sought);
    }
    Ok(())
}

fn seek_one(
    reader: &TopicReader,
    topic: &str,
    partitions: i32,
    missed: &Missed,
    bound_ms: i64,
) -> anyhow::Result<Sought> {
    let partition = partition_of(missed.aggregate_id.to_string().as_bytes(), partitions);
    let mut sought = Sought { topic: topic.to_owned(), partition, offset: None, records: 0 };
    // The clocks of the store and of whoever publishes may differ.
    let since_ms = missed.recorded_at.micros() / 1_000 - bound_ms;
    reader.read_since(topic, partition, since_ms, |record: Record| {
        sought.records += 1;
        if of_topic(topic, &record).event_id == Some(missed.event_id) {
            sought.offset = Some(record.offset);
        }
        let is_enough = sought.offset.is_some() || sought.records >= RECORDS_MAX;
        if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(sought)
}
