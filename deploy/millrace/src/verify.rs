//! `millrace verify`: store, topics and sinks, compared.

use std::collections::BTreeMap;

use agent_views::{EXECUTION_TABLE, ExecutionRow, ExecutionsPostgres, ExecutionsRedis};
use anyhow::Context;
use clap::Args;
use dead_letters::Operator;
use event_store::{EventLog, PgEventLog, PrunedRange, StoredEvent};
use events::{AggregateId, DomainEvent, EventId, ExecutionEvent, TenantId, Timestamp};
use futures::StreamExt;
use kafka::{ReadError, Record, Shortened, TopicReader};
use ledger::{
    Decided, Exceptions, Ledger, Parked, Pruned, Report, Sink, Skipped, StoreRecord, TopicRecord,
    UnknownReason,
};
use projection::Projection;
use sqlx::PgPool;
use wire::Decoder;

use crate::chain::ChainArgs;
use crate::exit::Exit;
use crate::stack_defaults::settings;

/// What to compare, and how to tell.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Print the report as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    stages: Stages,
}

/// Every stage, to be read as a whole. What is compared must stand still meanwhile.
#[derive(Debug, Clone, Args)]
pub(crate) struct Stages {
    #[command(flatten)]
    chain: ChainArgs,

    #[command(flatten)]
    registry: wire::RegistryConfig,
}

/// Events read from the store at a time.
const PAGE: u32 = 5_000;

impl VerifyArgs {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let report = self.stages.compare().await?;
        if self.json {
            println!("{}", serde_json::to_string(&report)?);
        } else {
            print!("{report}");
        }
        Ok(if report.is_proved() { Exit::Ok } else { Exit::Failed })
    }
}

/// The comparison of a stack's stages.
pub(crate) async fn report(stack: &str) -> anyhow::Result<Report> {
    settings::<Stages>(stack)?.compare().await
}

impl Stages {
    async fn compare(&self) -> anyhow::Result<Report> {
        let store = self.chain.store.connect().await?;
        let skips = outbox::skips(&mut *store.acquire().await?).await?;
        let log = PgEventLog::new(store);
        let views = self.chain.views().await?;
        let (mut ledger, mut topics) = (Ledger::new(), Topics::default());
        let pruned = log.pruned().await?.into_iter().map(|range| pruned(range, &mut topics));
        let pruned: Vec<_> = pruned.collect::<Result<_, _>>()?;
        pruned.iter().cloned().for_each(|range| ledger.pruned(range));
        skips.into_iter().map(skipped).for_each(|skip| ledger.skipped(skip));
        let mut position = 0;
        while let Some(page) = page(&log, &mut position).await? {
            page.iter().for_each(|event| ledger.store(&stored(event, topics.of(&event.aggregate_type))));
        }

        let reader = self.chain.topics.reader()?;
        let (mut ledger, partitions) = tokio::task::spawn_blocking(move || -> anyhow::Result<_> {
            for topic in topics.0.values() {
                read(&reader, topic, &mut ledger)?;
            }
            Ok((ledger, reader.watermarks(ExecutionEvent::TOPIC)?.len()))
        })
        .await??;

        let mut postgres =
            Sink::<ExecutionsPostgres>::new(exceptions(&views, ExecutionsPostgres::NAME).await?);
        postgres_rows(&views, &mut postgres).await?;
        let mut redis = Sink::<ExecutionsRedis>::new(exceptions(&views, ExecutionsRedis::NAME).await?);
        for range in pruned.iter().filter(|range| range.topic == ExecutionEvent::TOPIC) {
            postgres.pruned(range);
            redis.pruned(range);
        }
        let mut reader = self.chain.redis(partitions)?;
        reader
            .rows(|view| redis.row(&view.tenant, view.aggregate_id, view.row.version, view.row.view.as_ref()))
            .await?;
        reader
            .places(|place| redis.rank(&place.tenant, &place.board, place.aggregate_id, place.score))
            .await?;

        let decoder = Decoder::<ExecutionEvent>::new(wire::Registry::new(&self.registry)?);
        let mut position = 0;
        while let Some(page) = page(&log, &mut position).await? {
            for event in page.iter().filter(|event| event.aggregate_type == ExecutionEvent::AGGREGATE_TYPE) {
                let decoded = decoder.decode_loading(&event.payload).await;
                let stored = stored(event, ExecutionEvent::TOPIC);
                postgres.store(&stored, |_| decoded.as_ref().cloned());
                redis.store(&stored, |_| decoded.as_ref().cloned());
            }
        }
        ledger.sink(postgres);
        ledger.sink(redis);
        Ok(ledger.finish())
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

fn pruned(range: PrunedRange, topics: &mut Topics) -> Result<Pruned, UnknownReason> {
    let PrunedRange {
        tenant, aggregate_id, aggregate_type, from_version, to_version, reason, digest, ..
    } = range;
    let (topic, reason) = (topics.of(&aggregate_type).to_owned(), reason.parse()?);
    Ok(Pruned { topic, tenant, aggregate_id, from_version, to_version, reason, digest })
}

fn skipped(skip: outbox::Skip) -> Skipped {
    let outbox::Skip { event_id, lsn, actor, reason, .. } = skip;
    Skipped { event_id: EventId(event_id), lsn, reason: format!("{reason} ({actor})") }
}

fn stored<'a>(event: &'a StoredEvent, topic: &'a str) -> StoreRecord<'a> {
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

fn of_topic<'a>(topic: &'a str, record: &'a Record) -> TopicRecord<'a> {
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
async fn exceptions(views: &PgPool, projection: &str) -> anyhow::Result<Exceptions> {
    let mut connection = views.acquire().await?;
    let mut operator = Operator::new(&mut connection);
    let mut exceptions = Exceptions::default();
    for key in operator.list(Some(projection), i64::MAX).await? {
        for event in operator.show(projection, &key.key(), i64::MAX).await? {
            let reason = format!("{}: {}", event.reason, event.message);
            let (partition, offset) = (event.partition, event.record_offset);
            let event = event.aggregate_id.zip(event.version);
            let event = event.map(|(id, version)| (AggregateId(id), version.unsigned_abs()));
            exceptions.park(Parked { partition, offset, event, reason });
        }
    }
    for decision in operator.decisions(projection).await? {
        let record = decision.record_offset.map(|offset| (decision.partition, offset));
        let event = decision.aggregate_id.zip(decision.version);
        let event = event.map(|(id, version)| (AggregateId(id), version.unsigned_abs()));
        let reason = format!("{} ({})", decision.reason, decision.actor);
        exceptions.decide(Decided { record, event, reason });
    }
    Ok(exceptions)
}

async fn postgres_rows(views: &PgPool, sink: &mut Sink<ExecutionsPostgres>) -> anyhow::Result<()> {
    let mut connection = views.acquire().await?;
    let mut rows = projection_postgres::scan::<ExecutionRow>(&mut connection, EXECUTION_TABLE).await?;
    while let Some(row) = rows.next().await.transpose()? {
        sink.row(&row.key.tenant, row.key.aggregate_id, row.row.version, row.row.view.as_ref());
    }
    drop(rows);

    let totals: Vec<(String, String, String, serde_json::Value)> =
        sqlx::query_as(include_str!("../queries/execution_total_list.sql"))
            .fetch_all(&mut *connection)
            .await?;
    for (tenant, repository, model_name, amounts) in totals {
        let group = vec![("repository".to_owned(), repository), ("model_name".to_owned(), model_name)];
        let amounts = amounts.as_object().into_iter().flatten();
        let amounts = amounts.filter_map(|(name, amount)| Some((name.clone(), amount.as_i64()?)));
        sink.total(&tenant.parse()?, group, amounts);
    }
    Ok(())
}
