//! How fast existing data come in: a table of many small histories, and runs with long ones.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use event_store::{Config, PgEventStore};
use import::{Importer, Origin, Progress};
use mapping::Mapping;
use sqlx::AssertSqlSafe;

use super::Output;
use super::memory::{forget_peak, peak_mib};
use super::report::{Aim, Figure};
use super::scratch::Scratch;
use crate::import::target;
use crate::stack_defaults::settings;

const TABLE: &str = include_str!("../../../../producers/agents/samples/execution-table.sql");
const TABLE_MAPPING: &str = include_str!("../../../../producers/agents/samples/execution-table.yaml");

#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// Rows of the table; nineteen events come of ten
    #[arg(long, default_value_t = 100_000)]
    rows: u32,
    /// The runs to import, by the mapping that is for them
    #[arg(long, default_value = "producers/agents/samples/agent-runs.jsonl.gz", value_name = "FILE")]
    file: PathBuf,
    /// How they become commands
    #[arg(long, default_value = "producers/agents/samples/agent-runs.yaml", value_name = "FILE")]
    mapping: PathBuf,
    /// How many appends are under way at the same time
    #[arg(long, default_value_t = 8)]
    concurrency: usize,
    #[command(flatten)]
    pub(super) output: Output,
}

pub(super) async fn figures(args: &ImportArgs, stack: &str) -> anyhow::Result<Vec<Figure>> {
    let runs = std::fs::read_to_string(&args.mapping)
        .with_context(|| format!("failed to read {}", args.mapping.display()))?;
    let scratch = Scratch::create(stack).await?;
    let measured = measure(args, &runs, stack, &scratch).await;
    scratch.remove()?;
    measured
}

async fn measure(
    args: &ImportArgs,
    runs: &str,
    stack: &str,
    scratch: &Scratch,
) -> anyhow::Result<Vec<Figure>> {
    let owner = scratch.owner().await?;
    sqlx::raw_sql(AssertSqlSafe(TABLE)).execute(&owner).await.context("failed to make the table")?;
    sqlx::query("select fill_execution_history($1)").bind(i64::from(args.rows)).execute(&owner).await?;
    owner.close().await;

    let table = Mapping::parse(TABLE_MAPPING)?;
    let from_table = Origin::Database(scratch.url("auditor"));
    let mut figures = imported("import.table", &table, &from_table, args, stack, scratch).await?;
    let (runs, from_file) = (Mapping::parse(runs)?, Origin::File(args.file.clone()));
    figures.extend(imported("import.runs", &runs, &from_file, args, stack, scratch).await?);
    Ok(figures)
}

/// Validates, imports, verifies that nothing is lost, and imports again.
async fn imported(
    name: &str,
    mapping: &Mapping,
    origin: &Origin,
    args: &ImportArgs,
    stack: &str,
    scratch: &Scratch,
) -> anyhow::Result<Vec<Figure>> {
    let registry = wire::Registry::new(&settings(stack)?)?;
    let config = Config {
        events_url: scratch.url("app"),
        events_connections: u32::try_from(args.concurrency)?,
        ..settings(stack)?
    };
    let store = Arc::new(PgEventStore::new(config.connect().await?));
    let target = target(&mapping.aggregate_type, &registry, None).await?;
    let importer = Importer::new(store, target, "bench".parse()?, args.concurrency);
    let run = uuid::Uuid::now_v7().to_string();
    let (progress, refused) = (Progress::default(), |one: &import::Rejected| eprintln!("{one}"));

    let (validated, validate_took) = timed(importer.validate(mapping, origin, &progress, refused)).await?;
    forget_peak()?;
    let (done, run_took) = timed(importer.run(mapping, origin, &run, &progress, refused)).await?;
    let memory = peak_mib()?;
    let (verified, verify_took) = timed(importer.verify(mapping, origin, &progress)).await?;
    let (again, again_took) = timed(importer.run(mapping, origin, &run, &progress, refused)).await?;
    let (rows, events) = (done.counts.rows, done.counts.events_appended);
    ensure!(validated.counts.rows_rejected + done.counts.rows_rejected == 0, "{name}: rows were refused");
    ensure!(verified.holds() && verified.rows_equal == rows, "{name}: rows were lost: {verified:?}");
    ensure!(again.counts.events_appended == 0, "{name}: a second run stored events");

    let per_s = |count: u64, took: Duration| count as f64 / took.as_secs_f64();
    let figure = |what: &str, value, unit| Figure::new(format!("{name}.{what}"), value, unit, Aim::None);
    Ok(vec![
        figure("rows", rows as f64, "count"),
        figure("events", events as f64, "count"),
        figure("validate.rate", per_s(rows, validate_took), "rows/s"),
        figure("run.rate", per_s(rows, run_took), "rows/s"),
        figure("run.events.rate", per_s(events, run_took), "events/s"),
        figure("run.memory.max", memory, "MiB"),
        figure("verify.rate", per_s(rows, verify_took), "rows/s"),
        figure("again.rate", per_s(rows, again_took), "rows/s"),
    ])
}

async fn timed<T>(work: impl Future<Output = Result<T, import::Error>>) -> anyhow::Result<(T, Duration)> {
    let begun = Instant::now();
    Ok((work.await?, begun.elapsed()))
}
