//! `millrace bench`: figures with the machine's own beside them.

mod api;
mod append;
mod backlog;
mod backup;
mod calibration;
mod closed;
mod contention;
mod cpu;
mod decode;
mod drain;
mod import;
mod latency;
mod memory;
mod metronome;
mod peers;
mod probe;
mod query;
mod rebuild;
mod report;
mod scratch;
mod sinks;
mod state;
mod throughput;
mod trigger;
mod verify;
mod watched;
mod workload;

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use event_store::{Codec, PgEventStore};
use events::{ExecutionEvent, TenantId};
use report::{Figure, Report};

use crate::exit::Exit;
use crate::stack_defaults::settings;

/// What to measure. Raises the stack if it is not up; real servers, full durability.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// From due time to acknowledgement of single-event appends, open loop; the most there can be, closed loops; the trigger's cost
    Append(append::AppendArgs),
    /// From acknowledgement to visibility in Postgres and in Redis, single-event appends, open loop
    Latency(latency::LatencyArgs),
    /// A rate held for a time, in transactions of ten events, with the lag it causes
    Throughput(throughput::ThroughputArgs),
    /// What the command API adds to a command, held against the library in the same run
    Api(api::ApiArgs),
    /// From the store, from a snapshot and from memory to an aggregate's state; and how fast the log is read
    State(state::StateArgs),
    /// A backlog of outbox rows, from the start of the connector to the last record in Kafka
    Drain(drain::DrainArgs),
    /// Existing data in: a table of many short histories, and runs with long ones; validated, imported, verified, imported again
    Import(import::ImportArgs),
    /// The store to files, and back into an empty database
    Backup(backup::BackupArgs),
    /// Reads over HTTP, rows and pages, open loop
    Query(query::QueryArgs),
    /// A backlog in the topic, from the first to the last record in the views of each sink, and what it costs
    Sinks(sinks::SinksArgs),
    /// A backlog in the topic into Postgres, by the project's projector and by Debezium's JDBC sink, in turn
    Peers(peers::PeersArgs),
    /// The views once more, from the events of the store
    Rebuild(rebuild::RebuildBenchArgs),
    /// Every view compared with the store, at rest and while events arrive
    Verify(verify::VerifyBenchArgs),
    /// Payloads to events on one core, ids to schemas in memory, and a check of all schema files
    Decode(decode::DecodeArgs),
}

/// Where to write the figures.
#[derive(Debug, Clone, Args)]
pub(crate) struct Output {
    /// Also write calibration and figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Bench {
    pub(crate) async fn run(self, stack: &str) -> anyhow::Result<Exit> {
        crate::up::up(&crate::up::named(stack)).await?;
        let databases: Databases = settings(stack)?;
        let calibration = calibration::measure(&databases.views_writer_url, &databases.redis_url).await?;
        let (figures, output) = match self {
            Self::Append(args) => (append::figures(&args, stack).await?, args.output),
            Self::Api(args) => (api::figures(&args, stack).await?, args.output),
            Self::Latency(args) => (latency::figures(&args, stack).await?, args.output),
            Self::Throughput(args) => (throughput::figures(&args, stack).await?, args.output),
            Self::State(args) => (state::figures(&args, stack).await?, args.output),
            Self::Drain(args) => (drain::figures(&args, stack).await?, args.output),
            Self::Import(args) => (import::figures(&args, stack).await?, args.output),
            Self::Backup(args) => (backup::figures(&args, stack).await?, args.output),
            Self::Query(args) => (query::figures(&args, stack).await?, args.output),
            Self::Sinks(args) => (sinks::figures(&args, stack).await?, args.output),
            Self::Peers(args) => (peers::figures(&args, stack).await?, args.output),
            Self::Rebuild(args) => (rebuild::figures(&args, stack).await?, args.output),
            Self::Verify(args) => (verify::figures(&args, stack).await?, args.output),
            Self::Decode(args) => (decode::figures(&args, stack).await?, args.output),
        };
        Report { calibration, figures }.publish(output.json.as_deref())?;
        Ok(Exit::Ok)
    }
}

/// What the calibration and the probes connect to.
#[derive(Debug, Clone, Args)]
pub(crate) struct Databases {
    #[arg(long, env = "MILLRACE_VIEWS_WRITER_URL", hide_env_values = true)]
    views_writer_url: String,
    #[arg(long, env = "MILLRACE_REDIS_URL", hide_env_values = true)]
    redis_url: String,
}

/// The write side of a stack, and a tenant that nobody has used.
pub(crate) struct WriteSide {
    store: PgEventStore,
    codec: Arc<Codec<ExecutionEvent>>,
    tenant: TenantId,
}

impl WriteSide {
    pub(crate) async fn connect(stack: &str, writers: u32) -> anyhow::Result<Self> {
        let config = event_store::Config { events_connections: writers, ..settings(stack)? };
        let registry = wire::Registry::new(&settings(stack)?)?;
        Ok(Self {
            store: PgEventStore::new(config.connect().await?),
            codec: Arc::new(Codec::prepare(&registry).await?),
            tenant: format!("bench-{}", uuid::Uuid::now_v7().simple()).parse()?,
        })
    }
}

/// What a load itself says: the rate that was asked for and the one that was reached.
fn rate_figures(name: &str, loaded: &workload::Loaded, asked: u32) -> Vec<Figure> {
    let reached = loaded.events as f64 / loaded.took.as_secs_f64();
    vec![
        Figure::new(format!("{name}.rate.asked"), asked.into(), "events/s", report::Aim::None),
        Figure::new(
            format!("{name}.rate.reached"),
            reached,
            "events/s",
            report::Aim::AtLeast(f64::from(asked) * 0.99),
        ),
    ]
}
