//! What can be done with the projections of this program, whatever their sinks.

mod in_postgres;
mod in_redis;
mod preview;
mod rebuild;
mod report;
mod status;

use std::fmt;

use anyhow::Context;
use catalog::Manifest;
use clap::Subcommand;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use events::{AggregateId, DomainEvent};
use futures::future::BoxFuture;
use kafka::{
    Behind, BrokerConfig, Decided, Loaded, Metrics, ParkedRecord, Projector, ProjectorConfig, RowKey,
    ViewStore, partition_of,
};
use ledger::{Exceptions, Ledger, Pruned, Running, Sampled, Sink, StoreRecord};
use projection::Projection;
use projection_postgres::{Definition, PostgresConfig, PostgresFeedConfig, Readers};
use projection_redis::{RedisConfig, RedisRetentionConfig};
use query_api::{Api, View};
use sqlx::{PgConnection, PgPool};
use tokio_util::sync::CancellationToken;
use wire::Decoder;

pub use self::in_postgres::{InPostgres, TotalsShown};
pub use self::in_redis::InRedis;
pub(crate) use self::preview::{Fate, Looking, Previewed, Seen};
use self::rebuild::{EditionArgs, Made, RebuildOneArgs};
pub(crate) use self::rebuild::{EditionsArgs, RebuildArgs};
use self::report::Reports;
pub(crate) use self::report::write_down;
use self::status::StatusArgs;
use crate::exit::Exit;
use crate::program::projections;

/// What can be asked of, and done with, the projections.
#[derive(Debug, Subcommand)]
pub(crate) enum ProjectionsCommand {
    /// How fresh the views are, as their projectors say about once a second
    Status(StatusArgs),
    /// Make the views once more from the events of the store, beside those that are read, and have them read once they agree
    Rebuild(Box<RebuildOneArgs>),
    /// Have the edition read again that was read before the last rebuild
    GoBack(EditionArgs),
    /// Give up what a rebuild has made so far
    Abandon(EditionArgs),
}

impl ProjectionsCommand {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Status(args) => args.run().await,
            Self::Rebuild(args) => args.run().await,
            Self::GoBack(args) => args.go_back().await,
            Self::Abandon(args) => args.abandon().await,
        }
    }
}

/// The tables of all projections.
pub(crate) fn definitions() -> Vec<Definition<'static>> {
    projections().iter().filter_map(|projection| projection.definition()).collect()
}

/// A projection of this program, whatever its sink.
pub(crate) trait Registered: fmt::Debug + Sync {
    /// Its name, which is its consumer group's and the first part of its dead-letter topic's.
    fn name(&self) -> &'static str;

    /// What it is for.
    fn about(&self) -> &'static str;

    /// Connects its sink; the work begins when it is awaited.
    fn prepare<'a>(
        &'a self,
        with: &'a Surroundings,
        stop: CancellationToken,
    ) -> BoxFuture<'a, anyhow::Result<Prepared>>;

    /// Its tables, if it has any.
    fn definition(&self) -> Option<Definition<'static>>;

    /// Makes its views once more, beside those that are read.
    fn rebuild<'a>(&'a self, with: &'a RebuildArgs) -> BoxFuture<'a, anyhow::Result<Made>>;

    /// Has the edition read again that was read before; answers whether there was one.
    fn go_back<'a>(&'a self, with: &'a EditionsArgs) -> BoxFuture<'a, anyhow::Result<bool>>;

    /// Gives up what a rebuild made so far; answers whether there was anything.
    fn abandon<'a>(&'a self, with: &'a EditionsArgs) -> BoxFuture<'a, anyhow::Result<bool>>;

    /// What readers see of it.
    fn views<'a>(&'a self, with: &'a Reading) -> BoxFuture<'a, anyhow::Result<Vec<View>>>;

    /// The topic of the events that it folds.
    fn topic(&self) -> &'static str;

    /// The type of the aggregates that it shows.
    fn aggregate_type(&self) -> &'static str;

    /// Of which events every row of its sink was made.
    fn sums<'a>(
        &'a self,
        views: &'a Views,
        running: &'a mut Running<'_>,
    ) -> BoxFuture<'a, anyhow::Result<()>>;

    /// Its totals compared with what its rows add up to, if it keeps any.
    fn totals<'a>(&'a self, views: &'a Views) -> BoxFuture<'a, anyhow::Result<Option<Sampled>>>;

    /// Its sink, to be compared with the store.
    fn comparison(&self, registry: wire::Registry) -> Box<dyn Comparison + '_>;

    /// What a redrive of one key's parked records would do to the views. Nothing is written.
    fn preview<'a>(
        &'a self,
        with: Looking<'a>,
        partition: i32,
        decided: &'a [Decided],
        records: &'a [ParkedRecord],
    ) -> BoxFuture<'a, anyhow::Result<Previewed>>;
}

/// One sink while it is compared: fed what it has, then the events of the store.
pub(crate) trait Comparison: Send {
    /// The topic of the events that it folds.
    fn topic(&self) -> &'static str;

    /// The type of the aggregates that it shows.
    fn aggregate_type(&self) -> &'static str;

    /// Versions that left the store on purpose.
    fn pruned(&mut self, range: &Pruned);

    /// Reads everything the sink has.
    fn read<'a>(&'a mut self, views: &'a Views) -> BoxFuture<'a, anyhow::Result<()>>;

    /// Reads what it has of these aggregates; answers which of them it has, and up to which version.
    fn read_some<'a>(
        &'a mut self,
        views: &'a Views,
        keys: &'a [RowKey],
    ) -> BoxFuture<'a, anyhow::Result<Vec<(AggregateId, u64)>>>;

    /// What is parked and decided there.
    fn except(&mut self, exceptions: Exceptions);

    /// The next event of the store, of the type of aggregate that it shows.
    fn event<'a>(&'a mut self, event: &'a StoreRecord<'a>) -> BoxFuture<'a, anyhow::Result<()>>;

    /// Hands over what was found.
    fn finish(self: Box<Self>, ledger: &mut Ledger);

    /// What was found, if some of it was read.
    fn sampled(self: Box<Self>) -> Sampled;
}

/// What any projection may need to run.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) broker: BrokerConfig,
    pub(crate) projector: ProjectorConfig,
    pub(crate) registry: wire::Registry,
    pub(crate) postgres: PostgresConfig,
    pub(crate) postgres_feed: PostgresFeedConfig,
    pub(crate) redis: RedisConfig,
    pub(crate) redis_retention: RedisRetentionConfig,
}

/// Where readers read.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) readers: Readers,
    pub(crate) redis: RedisConfig,
    pub(crate) manifest: Manifest,
}

impl Reading {
    /// Has every view served, with the columns that it has by now.
    pub(crate) async fn serve(&self, mut api: Api) -> anyhow::Result<Api> {
        for projection in projections() {
            for view in projection.views(self).await? {
                api = api.view(view);
            }
        }
        Ok(api)
    }

    /// How many partitions a topic has.
    fn partitions(&self, topic: &str) -> anyhow::Result<u32> {
        let declared = self.manifest.topic(topic);
        Ok(declared.with_context(|| format!("the manifest declares no topic {topic}"))?.partitions)
    }
}

/// Where the views are read, and how many partitions their topic has.
#[derive(Debug)]
pub(crate) struct Views {
    pub(crate) postgres: PgPool,
    pub(crate) redis: RedisConfig,
    pub(crate) partitions: usize,
}

/// A projection that is ready to run.
pub(crate) struct Prepared {
    pub(crate) metrics: Metrics,
    pub(crate) behind: Behind,
    pub(crate) reports: Reports,
    pub(crate) work: BoxFuture<'static, anyhow::Result<()>>,
}

/// Reads the name of a projection.
pub(crate) fn by_name() -> impl TypedValueParser<Value = &'static dyn Registered> {
    let values: Vec<_> =
        projections().iter().map(|it| PossibleValue::new(it.name()).help(it.about())).collect();
    PossibleValuesParser::new(values).map(|name| {
        *projections().iter().find(|it| it.name() == name).expect("the name is one of the possible values")
    })
}

fn prepared<P: Projection, S: ViewStore<P>>(
    with: &Surroundings,
    store: S,
    stop: CancellationToken,
) -> Prepared {
    let decoder = Decoder::new(with.registry.clone());
    let projector = Projector::<P, S>::new(&with.broker, with.projector.clone(), decoder, store);
    let reports = Reports { projection: P::NAME, topic: P::Event::TOPIC, standings: projector.standings() };
    Prepared {
        metrics: projector.metrics(),
        behind: projector.behind(),
        reports,
        work: Box::pin(async move { Ok(projector.run(stop).await?) }),
    }
}

/// How a kind of sink shows what it has.
trait Rows<P: Projection>: Sync {
    /// All of it.
    fn rows(&self, views: &Views, sink: &mut Sink<P>) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// The rows of these aggregates, each in its partition, those that exist.
    fn some(
        &self,
        views: &mut PgConnection,
        redis: &RedisConfig,
        keys: &[(i32, RowKey)],
    ) -> impl Future<Output = anyhow::Result<Vec<Loaded<P::View>>>> + Send;

    /// The places of these rows, if there are leaderboards.
    fn places(
        &self,
        redis: &RedisConfig,
        rows: &[Loaded<P::View>],
        sink: &mut Sink<P>,
    ) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// The comparison of any sink that shows its rows.
struct Compared<'s, P: Projection, S> {
    rows: &'s S,
    sink: Sink<P>,
    decoder: Decoder<P::Event>,
}

impl<P: Projection, S: Rows<P>> Comparison for Compared<'_, P, S> {
    fn topic(&self) -> &'static str {
        P::Event::TOPIC
    }

    fn aggregate_type(&self) -> &'static str {
        P::Event::AGGREGATE_TYPE
    }

    fn pruned(&mut self, range: &Pruned) {
        self.sink.pruned(range);
    }

    fn read<'a>(&'a mut self, views: &'a Views) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(self.rows.rows(views, &mut self.sink))
    }

    fn read_some<'a>(
        &'a mut self,
        views: &'a Views,
        keys: &'a [RowKey],
    ) -> BoxFuture<'a, anyhow::Result<Vec<(AggregateId, u64)>>> {
        Box::pin(async move {
            let partitions = i32::try_from(views.partitions)?;
            let placed = |key: &RowKey| {
                (partition_of(key.aggregate_id.to_string().as_bytes(), partitions), key.clone())
            };
            let keys: Vec<_> = keys.iter().map(placed).collect();
            let mut connection = views.postgres.acquire().await?;
            let rows = self.rows.some(&mut connection, &views.redis, &keys).await?;
            self.rows.places(&views.redis, &rows, &mut self.sink).await?;
            let mut versions = vec![];
            for Loaded { key, row, .. } in rows {
                versions.push((key.aggregate_id, row.version));
                self.sink.row(&key.tenant, key.aggregate_id, row);
            }
            Ok(versions)
        })
    }

    fn except(&mut self, exceptions: Exceptions) {
        self.sink.except(exceptions);
    }

    fn event<'a>(&'a mut self, event: &'a StoreRecord<'a>) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            match self.decoder.decode_loading(event.payload).await {
                Err(error) if error.fault() == wire::Fault::Transient => {
                    Err(error).context("the registry does not answer")
                }
                decoded => {
                    self.sink.store(event, |_| decoded);
                    Ok(())
                }
            }
        })
    }

    fn finish(self: Box<Self>, ledger: &mut Ledger) {
        ledger.sink(self.sink);
    }

    fn sampled(self: Box<Self>) -> Sampled {
        self.sink.sampled()
    }
}
