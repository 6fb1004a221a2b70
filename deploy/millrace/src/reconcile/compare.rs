//! Reading both sides.

use event_store::{EventLog, PgEventLog};
use events::{AggregateId, Digest, DomainEvent, EventId, TenantId, Timestamp};
use futures::TryStreamExt;
use kafka::{Record, TopicReader};
use ledger::{Reconciliation, StoreRecord, TopicEvent};
use sqlx::{PgPool, Row};
use wire::EventHeaders;

/// The comparison, and the records that are no events.
#[derive(Default)]
pub(super) struct Sides {
    pub(super) both: Reconciliation<Record>,
    /// Where they are, and why they are none.
    pub(super) unreadable: Vec<String>,
    /// Before this, what was recorded may have left the topic.
    pub(super) horizon: Option<Timestamp>,
}

impl Sides {
    /// Takes in the events of one type behind a position, settled or not, and the ranges that left the store.
    pub(super) async fn store<E: DomainEvent>(&mut self, store: &PgPool, after: i64) -> anyhow::Result<()> {
        let mut rows = sqlx::query(include_str!("../../queries/event_store_after.sql"))
            .bind(E::AGGREGATE_TYPE)
            .bind(after)
            .fetch(store);
        while let Some(row) = rows.try_next().await? {
            let tenant: TenantId = row.get::<String, _>("tenant_id").parse()?;
            self.both.store(&StoreRecord {
                topic: E::TOPIC,
                tenant: &tenant,
                aggregate_id: AggregateId(row.get("aggregate_id")),
                version: row.get::<i64, _>("version").unsigned_abs(),
                event_id: EventId(row.get("event_id")),
                recorded_at: Timestamp::from_micros(row.get("recorded_at_micros")),
                payload: row.get("payload"),
            });
        }
        for range in PgEventLog::new(store.clone()).pruned().await? {
            self.both.pruned(range.aggregate_id, range.from_version, range.to_version);
        }
        Ok(())
    }

    /// Takes in every record of a topic. Blocks.
    pub(super) fn topic(mut self, reader: &TopicReader, topic: &str) -> anyhow::Result<Self> {
        let shortened = reader.read(topic, |record| match event(&record) {
            Ok(event) => self.both.record(event, || record),
            Err(reason) => {
                let Record { partition, offset, .. } = record;
                self.unreadable.push(format!("partition {partition}, offset {offset}: {reason}"));
            }
        })?;
        // Where a partition no longer begins at its beginning, whatever is older than what it has may have been there.
        let oldest = shortened.iter().map(|partition| partition.since_ms.unwrap_or(i64::MAX / 1000));
        self.horizon = oldest.max().map(|ms| Timestamp::from_micros(ms * 1000));
        Ok(self)
    }
}

fn event(record: &Record) -> Result<TopicEvent, String> {
    let headers = headers(record)?;
    let payload = record.payload.as_deref().ok_or("it has no value")?;
    if record.key.as_deref() != Some(headers.aggregate_id.to_string().as_bytes()) {
        return Err("its key is not the id of its aggregate".into());
    }
    Ok(TopicEvent {
        tenant: headers.tenant,
        aggregate_id: headers.aggregate_id,
        version: headers.version,
        event_id: headers.event_id,
        digest: Digest::of(payload),
        partition: record.partition,
        offset: record.offset,
    })
}

pub(super) fn headers(record: &Record) -> Result<EventHeaders<'_>, String> {
    EventHeaders::parse(record.headers.bytes()).map_err(|error| error.to_string())
}
