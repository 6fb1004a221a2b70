//! Store, topics and sinks compared event by event, while everything stands still.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use dead_letters::{Filter, Operator};
use event_store::{EventLog, PgEventLog, PrunedRange, StoredEvent};
use events::{AggregateId, DomainEvent, EventId, TenantId, Timestamp};
use kafka::{ReadError, Record, Shortened, TopicReader};
use ledger::{
    Decided, Exceptions, Ledger, Parked, Pruned, Report, Republished, Skipped, StoreRecord, TopicRecord,
    UnknownReason,
};
use sqlx::PgPool;

use crate::chain::{ChainArgs, watermarks};
use crate::program::projections;
use crate::projections::{Comparison, Views};
use crate::stack_defaults::settings;

/// Every stage, to be read as a whole. What is compared must stand still meanwhile.
#[derive(Debug, Clone, Args)]
pub(crate) struct Stages {
    #[command(flatten)]
    pub(crate) chain: ChainArgs,

    #[command(flatten)]
    pub(crate) registry: wire::RegistryConfig,
}

/// Events read from the store at a time.
const PAGE: u32 = 5_000;

/// The comparison of a stack's stages.
pub(crate) async fn report(stack: &str) -> anyhow::Result<Report> {
    settings::<Stages>(stack)?.compare().await
}

impl Stages {
    pub(super) async fn compare(&self) -> anyhow::Result<Report> {
        let store = self.chain.store.connect().await?;
        let skips = outbox::skips(&mut *store.acquire().await?).await?;
        let republished: Vec<(uuid::Uuid, String, String)> =
            sqlx::query_as(include_str!("../../queries/republished_list.sql"))
                .fetch_all(&store)
                .await
                .context("failed to list what was published again")?;
        let log = PgEventLog::new(store);
        let views = self.chain.views().await?;
        let (mut ledger, mut topics) = (Ledger::new(), Topics::default());
        let pruned = log.pruned().await?.into_iter().map(|range| {
            let topic = topics.of(&range.aggregate_type);
            pruned(range, topic)
        });
        let pruned: Vec<_> = pruned.collect::<Result<_, _>>()?;
        pruned.iter().cloned().for_each(|range| ledger.pruned(range));
        skips.into_iter().map(skipped).for_each(|skip| ledger.skipped(skip));
        for (event_id, reason, actor) in republished {
            ledger.republished(Republished {
                event_id: EventId(event_id),
                reason: format!("{reason} ({actor})"),
            });
        }
        let mut position = 0;
        while let Some(page) = page(&log, &mut position).await? {
            page.iter().for_each(|event| ledger.store(&stored(event, topics.of(&event.aggregate_type))));
        }

        let reader = self.chain.topics.reader()?;
        let mut ledger = tokio::task::spawn_blocking(move || -> anyhow::Result<_> {
            for topic in topics.0.values() {
                read(&reader, topic, &mut ledger)?;
            }
            Ok(ledger)
        })
        .await??;

        let mut sinks = self.sinks(views).await?;
        for sink in &mut sinks {
            let topic = sink.topic();
            pruned.iter().filter(|range| range.topic == topic).for_each(|range| sink.pruned(range));
        }
        let mut position = 0;
        while let Some(page) = page(&log, &mut position).await? {
            for event in &page {
                for sink in sinks.iter_mut().filter(|sink| sink.aggregate_type() == event.aggregate_type) {
                    sink.event(&stored(event, sink.topic())).await?;
                }
            }
        }
        sinks.into_iter().for_each(|sink| sink.finish(&mut ledger));
        Ok(ledger.finish())
    }

    /// Every sink with what it has.
    async fn sinks(&self, views: PgPool) -> anyhow::Result<Vec<Box<dyn Comparison>>> {
        let (registry, reader) =
            (wire::Registry::new(&self.registry)?, Arc::new(self.chain.topics.reader()?));
        let mut views = Views { postgres: views, redis: self.chain.redis.clone(), partitions: 0 };
        let mut sinks = vec![];
        for projection in projections() {
            let mut sink = projection.comparison(registry.clone());
            views.partitions = watermarks(&reader, sink.topic()).await?.len();
            sink.read(&views).await?;
            sink.except(exceptions(&views.postgres, projection.name()).await?);
            sinks.push(sink);
        }
        Ok(sinks)
    }
}

/// The next page of the store, if there is more.
async fn page(log: &PgEventLog, position: &mut u64) -> anyhow::Result<Option<Vec<StoredEvent>>> {
    let page = log.read_all(*position, PAGE).await.context("failed to read the store")?;
    let Some(last) = page.last() else { return Ok(None) };
    *position = last.position;
    Ok(Some(page))
}

/// The topic of each type of aggregate: of this program's own, and of all that the store has.
struct Topics(BTreeMap<String, String>);

impl Default for Topics {
    fn default() -> Self {
        let mut topics = Self(BTreeMap::new());
        events::each_event_set!(E => {
            topics.of(<E as DomainEvent>::AGGREGATE_TYPE);
        });
        topics
    }
}

impl Topics {
    /// Where the connector carries events of this type.
    fn of(&mut self, aggregate_type: &str) -> &str {
        let topic = || format!("agents.{aggregate_type}.events");
        if !self.0.contains_key(aggregate_type) {
            self.0.insert(aggregate_type.to_owned(), topic());
        }
        &self.0[aggregate_type]
    }
}

/// Takes in a topic. One that is not there has no records; if it should have some, each is missed by name.
fn read(reader: &TopicReader, topic: &str, ledger: &mut Ledger) -> anyhow::Result<()> {
    let shortened = match reader.read(topic, |record| ledger.topic(&of_topic(topic, &record))) {
        Err(ReadError::NoTopic(_)) => return Ok(()),
        shortened => shortened?,
    };
    for Shortened { partition, since_ms } in shortened {
        let since = since_ms.unwrap_or_else(|| chrono::Utc::now().timestamp_millis());
        ledger.shortened(topic, partition, Timestamp::from_micros(since.saturating_mul(1_000)));
    }
    Ok(())
}

pub(super) fn pruned(range: PrunedRange, topic: &str) -> Result<Pruned, UnknownReason> {
    let PrunedRange { tenant, aggregate_id, from_version, to_version, reason, digest, .. } = range;
    let (topic, reason) = (topic.to_owned(), reason.parse()?);
    Ok(Pruned { topic, tenant, aggregate_id, from_version, to_version, reason, digest })
}

fn skipped(skip: outbox::Skip) -> Skipped {
    let outbox::Skip { event_id, lsn, actor, reason, .. } = skip;
    Skipped { event_id: EventId(event_id), lsn, reason: format!("{reason} ({actor})") }
}

pub(super) fn stored<'a>(event: &'a StoredEvent, topic: &'a str) -> StoreRecord<'a> {
    StoreRecord {
        topic,
        tenant: &event.tenant,
        aggregate_id: event.aggregate_id,
        version: event.version,
        event_id: event.event_id,
        recorded_at: event.recorded_at,
        payload: &event.payload,
    }
}

pub(super) fn of_topic<'a>(topic: &'a str, record: &'a Record) -> TopicRecord<'a> {
    fn read<T: std::str::FromStr>(record: &Record, header: &str) -> Option<T> {
        std::str::from_utf8(record.header(header)?).ok()?.parse().ok()
    }
    TopicRecord {
        topic,
        partition: record.partition,
        offset: record.offset,
        key: record.key.as_deref(),
        event_id: read::<EventId>(record, "ce_id"),
        tenant: read::<TenantId>(record, "tenant"),
        version: read(record, "aggregateversion"),
        payload: record.payload.as_deref(),
    }
}

/// What a projection parked, and what was decided for it.
pub(super) async fn exceptions(views: &PgPool, projection: &str) -> anyhow::Result<Exceptions> {
    let mut connection = views.acquire().await?;
    let mut operator = Operator::new(&mut connection);
    let mut exceptions = Exceptions::default();
    for key in operator.list(&Filter::of(projection), i64::MAX).await? {
        for event in operator.show(projection, &key.key(), i64::MAX).await? {
            let reason = format!("{}: {}", event.reason, event.message);
            let (partition, offset) = (event.partition, event.record_offset);
            let event = event.aggregate_id.zip(event.version);
            let event = event.map(|(id, version)| (AggregateId(id), version.unsigned_abs()));
            exceptions.park(Parked { partition, offset, event, reason });
        }
    }
    decided(&mut operator, projection, &mut exceptions).await?;
    Ok(exceptions)
}

/// What was decided for a projection alone.
pub(super) async fn decisions(views: &PgPool, projection: &str) -> anyhow::Result<Exceptions> {
    let mut connection = views.acquire().await?;
    let mut exceptions = Exceptions::default();
    decided(&mut Operator::new(&mut connection), projection, &mut exceptions).await?;
    Ok(exceptions)
}

async fn decided(
    operator: &mut Operator<'_>,
    projection: &str,
    exceptions: &mut Exceptions,
) -> anyhow::Result<()> {
    for decision in operator.decisions(projection).await? {
        let record = decision.record_offset.map(|offset| (decision.partition, offset));
        let event = decision.aggregate_id.zip(decision.version);
        let event = event.map(|(id, version)| (AggregateId(id), version.unsigned_abs()));
        let reason = format!("{} ({})", decision.reason, decision.actor);
        exceptions.decide(Decided { record, event, reason });
    }
    Ok(())
}
