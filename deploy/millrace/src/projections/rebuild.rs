//! `millrace projections rebuild`: the views once more, from the events of the store, beside those that are read.

mod topic;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use archive::ArchivedEvents;
use clap::Args;
use event_store::{EventLog, EventStore, Filter, PgEventLog, PgEventStore, PrunedRange, StoredEvent, Until};
use events::{AggregateId, Digest, DomainEvent, Sum};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use kafka::{RowKey, TopicReader};
use ledger::Reason;
use projection::Projection;
use projection_postgres::PostgresConfig;
use projection_redis::RedisConfig;
use rebuild::{Behind, Edition, Placed, Progress, Rebuild, Unreadable};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::sync::mpsc;
use wire::Decoder;

use super::{Registered, by_name};
use crate::chain::{TopicsReadArgs, watermarks};
use crate::exit::Exit;
use crate::progress::bar;

/// Events that are read at a time.
const PAGE: u32 = 5_000;

/// Pages that are read ahead.
const PAGES_AHEAD: usize = 4;

/// The new edition is switched in when a round of catching up took less than this: what is read with the projectors held takes
/// no longer.
const NEAR: Duration = Duration::from_secs(1);

/// How often it is tried to switch while others read or write the tables, or have events under way.
const SWITCHES_MAX: u32 = 10;

/// Between two tries.
const SWITCH_PAUSE: Duration = Duration::from_secs(1);

/// Which views to make once more.
#[derive(Debug, Args)]
pub(crate) struct RebuildOneArgs {
    /// The projection
    #[arg(value_parser = by_name())]
    projection: &'static dyn Registered,
    #[command(flatten)]
    rebuild: RebuildArgs,
}

/// From what views are made once more, and when they are good enough.
#[derive(Debug, Args)]
pub(crate) struct RebuildArgs {
    /// Make it ready and compare it, and leave what is read as it is; run again to go on and switch it in
    #[arg(long)]
    pub(crate) no_switch: bool,

    /// Rows, picked at random, that are compared with a fold of their own before anything is switched
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    sample: u32,

    /// Where archives are, if streams were archived
    #[arg(long, value_name = "DIR")]
    archive: Option<PathBuf>,

    /// Take from the topic what is still there, and from the store only what that lacks
    #[arg(long)]
    from_topic: bool,

    #[command(flatten)]
    store: event_store::Config,
    #[command(flatten)]
    audit: event_store::AuditConfig,
    #[command(flatten)]
    registry: wire::RegistryConfig,
    #[command(flatten)]
    pub(super) postgres: PostgresConfig,
    #[command(flatten)]
    pub(super) editions: EditionsArgs,
}

/// Where editions of views are, and the topics that they are caught up from.
#[derive(Debug, Args)]
pub(crate) struct EditionsArgs {
    /// The views' database as the role `owner`
    #[arg(long, env = "MILLRACE_VIEWS_OWNER_URL", hide_env_values = true, value_name = "URL")]
    pub(super) views_owner_url: String,
    #[command(flatten)]
    pub(super) redis: RedisConfig,
    #[command(flatten)]
    topics: TopicsReadArgs,
}

/// Where the partitions of a topic begin and end: partition, first offset and the one after the last.
pub(super) type Ends = Vec<(i32, i64, i64)>;

/// A projection, and where its editions are.
#[derive(Debug, Args)]
pub(crate) struct EditionArgs {
    /// The projection
    #[arg(value_parser = by_name())]
    projection: &'static dyn Registered,
    #[command(flatten)]
    editions: EditionsArgs,
}

impl EditionsArgs {
    /// The owner of the tables.
    pub(super) async fn owner(&self) -> anyhow::Result<PgConnection> {
        PgConnection::connect(&self.views_owner_url).await.context("failed to connect as owner of the views")
    }

    /// Where the partitions of a topic begin and end.
    pub(super) async fn ends(&self, topic: &'static str) -> anyhow::Result<Ends> {
        let found = watermarks(&Arc::new(self.topics.reader()?), topic).await?;
        Ok(found.iter().map(|it| (it.partition, it.low, it.high)).collect())
    }
}

impl EditionArgs {
    /// Gives up what a rebuild made so far.
    pub(crate) async fn abandon(self) -> anyhow::Result<Exit> {
        let name = self.projection.name();
        Ok(if self.projection.abandon(&self.editions).await? {
            println!("the rebuild of {name} is given up; what is read was not touched");
            Exit::Ok
        } else {
            println!("nothing of {name} is being rebuilt");
            Exit::NotFound
        })
    }

    /// Reads the edition before again.
    pub(crate) async fn go_back(self) -> anyhow::Result<Exit> {
        let name = self.projection.name();
        Ok(if self.projection.go_back(&self.editions).await? {
            println!("the views of {name} that were read before are read again");
            println!(
                "run the projectors of the program that made them: they catch up; others do not write them"
            );
            Exit::Ok
        } else {
            println!("no edition of {name} is kept");
            Exit::NotFound
        })
    }
}

impl RebuildOneArgs {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        self.projection.rebuild(&self.rebuild).await?;
        Ok(Exit::Ok)
    }
}

/// What was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Made {
    pub(crate) rows: u64,
    /// Events that were taken in by this run.
    pub(crate) events: u64,
    pub(crate) took: Duration,
}

impl Made {
    /// Events a second.
    pub(crate) fn rate(self) -> f64 {
        self.events as f64 / self.took.as_secs_f64().max(1e-9)
    }
}

impl RebuildArgs {
    /// Rebuilds the views of one projection. `ends`: where its topic's partitions do, as they were before the store is read, so
    /// that whatever is in the topic is in the store.
    pub(super) async fn of<P: Projection, E: Edition<P, Error: Failure>>(
        &self,
        edition: E,
        ends: Ends,
    ) -> anyhow::Result<Made> {
        let auditor = self.audit.connect().await?;
        let rebuild = Rebuild::open(edition, i32::try_from(ends.len())?).await?;
        let source = Source {
            log: PgEventLog::new(auditor.clone()),
            auditor,
            store: PgEventStore::new(self.store.connect().await?),
            archived: self.archive.as_deref().map(ArchivedEvents::open).transpose()?,
            decoder: Arc::new(Decoder::new(wire::Registry::new(&self.registry)?)),
        };
        let topic = self.from_topic.then(|| self.editions.topics.reader()).transpose()?;
        Work { rebuild, source, ends, pruned: HashSet::new() }.run(topic, self.no_switch, self.sample).await
    }
}

/// Where the events are.
struct Source<E: DomainEvent> {
    log: PgEventLog,
    auditor: PgPool,
    store: PgEventStore,
    archived: Option<ArchivedEvents>,
    decoder: Arc<Decoder<E>>,
}

/// What a sink cannot do.
pub(super) trait Failure: std::error::Error + Send + Sync + 'static {}
impl<T: std::error::Error + Send + Sync + 'static> Failure for T {}

/// A rebuild under way.
struct Work<P: Projection, E> {
    rebuild: Rebuild<P, E>,
    source: Source<P::Event>,
    ends: Ends,
    /// What left the store and was taken in: aggregate and last version.
    pruned: HashSet<(AggregateId, u64)>,
}

impl<P: Projection, E: Edition<P, Error: Failure>> Work<P, E> {
    async fn run(mut self, topic: Option<TopicReader>, no_switch: bool, sample: u32) -> anyhow::Result<Made> {
        let begun = Instant::now();
        let Progress { position, events: events_before } = self.rebuild.progress();
        if let Some(topic) = topic.filter(|_| position == 0) {
            self.take_topic(topic).await?;
        }
        self.catch_up().await?;
        self.rebuild.edition.guard().await?;
        let (events, took) = (self.rebuild.progress().events - events_before, begun.elapsed());
        let versions = self.rebuild.edition.versions().await?;
        let made = Made { rows: versions.len() as u64, events, took };
        let (Made { rows, .. }, rate) = (made, made.rate());
        println!(
            "made        {rows} rows, from {events} events in {:.1} s, {rate:.0} events/s",
            took.as_secs_f64()
        );
        self.compare(versions, sample).await?;
        if no_switch {
            println!("ready       run again without --no-switch to have it read");
            return Ok(made);
        }
        self.switch().await?;
        println!("switched    what was read before is kept: `millrace projections go-back {}`", P::NAME);
        Ok(made)
    }

    /// What left the store, of the aggregates of this projection.
    async fn left(&self) -> anyhow::Result<Vec<PrunedRange>> {
        let mut pruned = self.source.log.pruned().await.context("failed to list what left the store")?;
        pruned.retain(|range| range.aggregate_type == P::Event::AGGREGATE_TYPE);
        Ok(pruned)
    }

    /// Takes in what is not in the store any more, and was not taken in while it was.
    async fn take_left(&mut self) -> anyhow::Result<()> {
        let mut left = self.left().await?;
        let mut sums: HashMap<AggregateId, Sum> = HashMap::new();
        left.iter().for_each(|range| sums.entry(range.aggregate_id).or_default().merge(range.digest));
        left.retain(|range| self.pruned.insert((range.aggregate_id, range.to_version)));
        let key = |it: &PrunedRange| RowKey { tenant: it.tenant.clone(), aggregate_id: it.aggregate_id };
        let keys: Vec<RowKey> = left.iter().map(key).collect();
        let versions = self.rebuild.versions_of(&keys).await?;
        let mut withdrawn = vec![];
        for (range, version) in
            left.iter().zip(versions).filter(|(range, version)| *version < range.to_version)
        {
            match range.reason.parse()? {
                Reason::Withdrawn | Reason::TenantRemoved => {
                    withdrawn.push((key(range), range.to_version, sums[&range.aggregate_id]));
                }
                Reason::Archived => {
                    let mut events = self.source.stream(&key(range), Some(range)).await?;
                    events.retain(|event| event.version > version && event.version <= range.to_version);
                    let placed = placed(&self.source.decoder, events).await?;
                    let placed = placed.into_iter().map(|it| Placed { position: 0, ..it }).collect();
                    self.rebuild.take(placed, 0).await?;
                }
            }
        }
        Ok(self.rebuild.withdrawn(withdrawn).await?)
    }

    /// Makes the rows anew about whose events something was decided since they were made.
    async fn take_decisions(&mut self) -> anyhow::Result<()> {
        for key in self.rebuild.newly_decided().await? {
            if self.rebuild.versions_of(std::slice::from_ref(&key)).await? == [0] {
                continue;
            }
            let mut events = self.source.stream(&key, None).await?;
            events.retain(|event| event.position <= self.rebuild.progress().position);
            let placed = placed(&self.source.decoder, events).await?;
            self.rebuild.replace(key, placed).await?;
        }
        Ok(())
    }

    /// Takes in what the topic has, as far as this edition takes it; what the topic lacks is left to the store.
    async fn take_topic(&mut self, topic: TopicReader) -> anyhow::Result<()> {
        let begun = Instant::now();
        self.take_left().await?;
        self.take_decisions().await?;
        let progress =
            bar(self.ends.iter().map(|(_, low, high)| (high - low).unsigned_abs()).sum(), "records");
        let (to_take, mut pages) = mpsc::channel(PAGES_AHEAD);
        let reader = tokio::spawn(topic::read_ahead(topic, Arc::clone(&self.source.decoder), to_take));
        while let Some(events) = pages.recv().await {
            progress.inc(events.len() as u64);
            self.rebuild.take(events, 0).await?;
        }
        reader.await.context("whoever reads the topic is gone")??;
        progress.finish_and_clear();
        self.rebuild.write().await?;
        let events = self.rebuild.progress().events;
        let position = self.complete_up_to().await?;
        println!(
            "topic       {events} events in {:.1} s; from position {position} on the store is asked",
            begun.elapsed().as_secs_f64()
        );
        self.rebuild.has_up_to(position);
        Ok(())
    }

    /// The position of the store up to which the edition has everything that it takes.
    async fn complete_up_to(&mut self) -> anyhow::Result<u64> {
        let settled = self.source.log.settled_position().await.context("failed to ask the store")?;
        let made: HashMap<AggregateId, u64> = self.rebuild.edition.versions().await?.into_iter().collect();
        let (mut ids, mut versions) = (vec![], vec![]);
        let mut stored = self.stored(settled);
        while let Some((id, version)) = stored.next().await.transpose().context("failed to read the store")? {
            let found = made.get(&AggregateId(id)).copied().unwrap_or_default().cast_signed();
            if found < version && !self.rebuild.stuck().contains(&AggregateId(id)) {
                ids.push(id);
                versions.push(found + 1);
            }
        }
        drop(stored);
        let first: Option<i64> = sqlx::query_scalar(include_str!("../../queries/event_position_first.sql"))
            .bind(ids)
            .bind(versions)
            .fetch_one(&self.source.auditor)
            .await
            .context("failed to look for events in the store")?;
        Ok(first.map_or(settled, |first| first.unsigned_abs().saturating_sub(1)))
    }

    /// The last version of each aggregate that the store has up to a position.
    fn stored(&self, position: u64) -> BoxStream<'_, Result<(uuid::Uuid, i64), sqlx::Error>> {
        sqlx::query_as(include_str!("../../queries/aggregate_version_list.sql"))
            .bind(P::Event::AGGREGATE_TYPE)
            .bind(position.cast_signed())
            .fetch(&self.source.auditor)
    }

    /// Takes in what has left the store, what was decided, and what the store has by now.
    async fn catch_up(&mut self) -> anyhow::Result<()> {
        self.take_left().await?;
        self.take_decisions().await?;
        let log = &self.source.log;
        let settled = log.settled_position().await.context("failed to ask the store")?;
        let progress = bar(settled, "positions");
        progress.set_position(self.rebuild.progress().position);
        let (to_take, mut pages) = mpsc::channel(PAGES_AHEAD);
        let (log, decoder) = (PgEventLog::new(self.source.auditor.clone()), Arc::clone(&self.source.decoder));
        let reader =
            tokio::spawn(read_ahead(log, decoder, self.rebuild.progress().position, settled, to_take));
        while let Some((events, through)) = pages.recv().await {
            self.rebuild.take(events, through).await?;
            progress.set_position(through);
        }
        reader.await.context("whoever reads the store is gone")??;
        progress.finish_and_clear();
        Ok(self.rebuild.write().await?)
    }

    /// Compares the new edition with the store, aggregate by aggregate, and some of its rows with a fold of their own.
    async fn compare(&mut self, versions: Vec<(AggregateId, u64)>, sample: u32) -> anyhow::Result<()> {
        let pruned = self.left().await?;
        let mut stored: HashMap<AggregateId, u64> = HashMap::new();
        for range in &pruned {
            let version = stored.entry(range.aggregate_id).or_default();
            *version = range.to_version.max(*version);
        }
        let mut of_store = self.stored(self.rebuild.progress().position);
        while let Some((id, version)) =
            of_store.next().await.transpose().context("failed to read the store")?
        {
            stored.insert(AggregateId(id), version.unsigned_abs());
        }
        drop(of_store);
        let (mut foreign, mut behind) = (vec![], vec![]);
        for (id, version) in versions {
            match stored.remove(&id) {
                Some(stored) if stored == version => {}
                Some(stored) if stored > version => behind.push((id, version, stored)),
                _ => foreign.push((id, version)),
            }
        }
        behind.extend(stored.into_iter().map(|(id, stored)| (id, 0, stored)));
        // What was taken from the topic may lie where the store has not settled yet.
        if !foreign.is_empty() {
            let all: HashMap<_, _> = self
                .stored(u64::MAX >> 1)
                .try_collect::<Vec<_>>()
                .await
                .context("failed to read the store")?
                .into_iter()
                .collect();
            foreign
                .retain(|(id, version)| all.get(&id.0).is_none_or(|stored| stored.unsigned_abs() < *version));
        }
        if let Some((id, version)) = foreign.first() {
            bail!(
                "{} rows are further than the store; the first is {id} at version {version}",
                foreign.len()
            );
        }
        for (id, version, stored) in behind.iter().take(5) {
            println!(
                "left        {id} at version {version} of {stored}: this edition does not take version {}",
                version + 1
            );
        }
        if behind.len() > 5 {
            println!("left        and {} more", behind.len() - 5);
        }
        let has_left: HashSet<AggregateId> = pruned.iter().map(|range| range.aggregate_id).collect();
        let mut compared = 0;
        for row in self.rebuild.edition.sample(sample).await? {
            let RowKey { tenant, aggregate_id } = &row.key;
            if has_left.contains(aggregate_id) {
                continue;
            }
            let mut events = self.source.store.load(tenant, *aggregate_id, 0).await?;
            events.retain(|event| event.version <= row.row.version);
            let events = placed(&self.source.decoder, events).await?;
            let folded = self.rebuild.fold(events);
            if folded != row.row {
                bail!(
                    "the row of {aggregate_id} of {tenant} at version {} is not the fold of its events",
                    row.row.version
                );
            }
            compared += 1;
        }
        println!(
            "compared    every aggregate's version with the store, {compared} rows with a fold of their own"
        );
        Ok(())
    }

    /// Switches the new edition in, as soon as it is near and nobody holds the tables.
    async fn switch(mut self) -> anyhow::Result<()> {
        let mut last = anyhow::anyhow!("the store grows faster than it is read");
        for _ in 0..SWITCHES_MAX {
            let round = Instant::now();
            self.catch_up().await?;
            if round.elapsed() > NEAR {
                continue;
            }
            match self.try_switch().await {
                Ok(()) => return Ok(()),
                Err(error) => last = error,
            }
            tracing::info!("the editions cannot be switched just now: {last:#}");
            self.rebuild.edition.let_go().await?;
            tokio::time::sleep(SWITCH_PAUSE).await;
        }
        Err(last.context("nothing was switched; run it again to go on"))
    }

    async fn try_switch(&mut self) -> anyhow::Result<()> {
        self.rebuild.edition.hold(P::Event::TOPIC, &self.ends).await?;
        self.catch_up().await?;
        let behind = self.rebuild.edition.behind().await?;
        if !behind.is_empty() {
            let named = behind.iter().map(|Behind { tenant_id, aggregate_id, version, found }| {
                format!("\n  {aggregate_id} of {tenant_id}: read at version {version}, made up to {found}")
            });
            bail!("the new edition does not take what is read already:{}", named.collect::<String>());
        }
        Ok(self.rebuild.edition.switch().await?)
    }
}

impl<E: DomainEvent> Source<E> {
    /// All events of a stream, the archived ones included.
    async fn stream(&self, key: &RowKey, range: Option<&PrunedRange>) -> anyhow::Result<Vec<StoredEvent>> {
        let RowKey { tenant, aggregate_id } = key;
        match (&self.archived, range) {
            (Some(archived), _) => {
                Ok(archived.load_until(&self.store, tenant, *aggregate_id, 0, Until::Now).await?)
            }
            (None, None) => Ok(self.store.load(tenant, *aggregate_id, 0).await?),
            (None, Some(PrunedRange { from_version, to_version, .. })) => {
                bail!(
                    "events {from_version} to {to_version} of {aggregate_id} are archived: say where with --archive"
                )
            }
        }
    }
}

type Page<E> = (Vec<Placed<E>>, u64);

/// Reads the store ahead of whoever takes the events in, up to where it had settled when it was asked: it may grow for ever.
async fn read_ahead<E: DomainEvent>(
    log: PgEventLog,
    decoder: Arc<Decoder<E>>,
    mut position: u64,
    settled: u64,
    to_take: mpsc::Sender<Page<E>>,
) -> anyhow::Result<()> {
    let filter = Filter { aggregate_types: vec![E::AGGREGATE_TYPE.to_owned()], ..Filter::all() };
    while position < settled {
        let slice = log.read(&filter, position, PAGE).await.context("failed to read the store")?;
        position = slice.through;
        if to_take.send((placed(&decoder, slice.events).await?, position)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Events as the views take them. One that cannot be read is said to be so; a registry that does not answer is an error.
async fn placed<E: DomainEvent>(
    decoder: &Decoder<E>,
    events: Vec<StoredEvent>,
) -> anyhow::Result<Vec<Placed<E>>> {
    let mut placed = Vec::with_capacity(events.len());
    for event in events {
        let (position, payload) = (event.position, Digest::of(&event.payload));
        let event = match decoder.decode_loading(&event.payload).await {
            Ok(payload) if payload.aggregate_id() == event.aggregate_id => Ok(event.into_recorded(payload)),
            Err(error) if error.fault() == wire::Fault::Transient => {
                return Err(error).context("the registry does not answer; run it again to go on");
            }
            // What cannot be decoded, or says that it is another aggregate's, a projector parks.
            _ => Err(Unreadable {
                key: RowKey { tenant: event.tenant, aggregate_id: event.aggregate_id },
                version: event.version,
            }),
        };
        placed.push(Placed { position, event, payload });
    }
    Ok(placed)
}
