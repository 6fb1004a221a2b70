//! Everything the demo is connected to.

use std::path::PathBuf;

use agent_views::ExecutionsRedis;
use agents::Execution;
use anyhow::{Context, bail};
use clap::Args;
use event_store::{Codec, PgEventStore, Repository};
use events::{EventId, ExecutionEvent, TenantId};
use import::{Counts, Progress, Rejected, SumFound};
use projection_redis::Reader;
use sqlx::postgres::PgPoolOptions;
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::watch;
use crate::chain::{Chain, ChainArgs};
use crate::import::{Task, TaskArgs};
use crate::stack_defaults::settings;

/// The demo's stack, seen from every side.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) stack: String,
    pub(crate) file: PathBuf,
    mapping: PathBuf,
    pub(crate) chain: Chain,
    pub(crate) executions: Repository<Execution, PgEventStore>,
    dashboard: PgPool,
    pub(crate) chain_args: ChainArgs,
    partitions: usize,
}

#[derive(Debug, Args)]
struct Dashboard {
    #[arg(long, env = "MILLRACE_VIEWS_DASHBOARD_URL", hide_env_values = true)]
    views_dashboard_url: String,
}

/// A line of the view `repository_model_total`.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Total {
    pub(crate) repository: String,
    pub(crate) model_name: String,
    pub(crate) runs: i64,
    pub(crate) judged: i64,
    pub(crate) resolved: i64,
    pub(crate) steps: i64,
    pub(crate) failed_tool_uses: i64,
    pub(crate) prompt_tokens: i64,
    pub(crate) completion_tokens: i64,
    pub(crate) step_cost_nano_usd: i64,
    pub(crate) reported_cost_nano_usd: i64,
}

impl World {
    pub(crate) async fn connect(stack: &str, file: PathBuf, mapping: PathBuf) -> anyhow::Result<Self> {
        let registry = wire::Registry::new(&settings(stack)?)?;
        let store: event_store::Config = settings(stack)?;
        let connections = store.connect().await?;
        let keyring = crate::keys::keyring(&settings(stack)?, &connections)?;
        let dashboard: Dashboard = settings(stack)?;
        let manifest = catalog::Manifest::committed();
        let topic = manifest.topic(<ExecutionEvent as events::DomainEvent>::TOPIC);
        Ok(Self {
            stack: stack.to_owned(),
            file,
            mapping,
            chain: Chain::connect(stack).await?,
            executions: Repository::new(
                PgEventStore::new(connections),
                Codec::prepare(&registry).await?.with_keyring(keyring),
            ),
            dashboard: PgPoolOptions::new()
                .max_connections(1)
                .connect(&dashboard.views_dashboard_url)
                .await
                .context("failed to connect as dashboard")?,
            chain_args: settings(stack)?,
            partitions: topic.context("the manifest lacks the topic of executions")?.partitions as usize,
        })
    }

    /// Imports the file for a tenant.
    pub(crate) async fn import(&self, tenant: &TenantId, progress: &Progress) -> anyhow::Result<Counts> {
        let task = self.task(tenant).await?;
        let mut refused = Vec::new();
        let tell = |rejected: &Rejected| refused.push(rejected.to_string());
        let report = task.run(&task.begin("demo").await?, progress, tell).await?;
        if let Some(first) = refused.first() {
            bail!("{} rows were refused; {first}", refused.len());
        }
        Ok(report.counts)
    }

    /// The same with the live line shown, and compared with the file; returns the number of events.
    pub(crate) async fn import_shown(&self, tenant: &TenantId) -> anyhow::Result<u64> {
        let progress = Progress::default();
        let begun = std::time::Instant::now();
        let Counts { rows, events_appended, commands, .. } =
            watch::while_running(&self.chain, self.import(tenant, &progress)).await?;
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "  {rows} runs of tenant {tenant} imported in {seconds:.1} s: {events_appended} events, {:.0} events/s",
            events_appended as f64 / seconds
        );
        let commands: Vec<_> = commands.iter().map(|(name, count)| format!("{count} {name}")).collect();
        println!("  commands: {}", commands.join(", "));
        self.compare_with_file(tenant).await?;
        Ok(events_appended)
    }

    /// Reads the file again and holds every run against what is stored of it.
    async fn compare_with_file(&self, tenant: &TenantId) -> anyhow::Result<()> {
        let task = self.task(tenant).await?;
        let verified = task.importer.verify(&task.mapping, &task.origin, &Progress::default()).await?;
        if !verified.holds() {
            bail!("the file and the store differ: {:?}", verified.differences);
        }
        println!(
            "  the file read again: {} of {} runs and {} of {} events are stored as it tells them; sums of file and store:",
            verified.rows_equal, verified.rows, verified.events_found, verified.events_expected
        );
        for (name, SumFound { source, store }) in &verified.sums {
            println!("    {name}: {source} = {store}");
        }
        Ok(())
    }

    async fn task(&self, tenant: &TenantId) -> anyhow::Result<Task> {
        let args = TaskArgs {
            mapping: self.mapping.clone(),
            file: Some(self.file.clone()),
            source_url: None,
            tenant: Some(tenant.clone()),
            concurrency: 8,
            store: settings(&self.stack)?,
            registry: settings(&self.stack)?,
            keys: settings(&self.stack)?,
        };
        args.task().await
    }

    /// What a dashboard of this tenant reads, as the role `dashboard`, which sees no other tenant.
    pub(crate) async fn totals(&self, tenant: &TenantId) -> anyhow::Result<Vec<Total>> {
        let mut read = self.dashboard.begin().await?;
        sqlx::query("select set_config('millrace.tenant', $1, true)")
            .bind(tenant.as_str())
            .execute(&mut *read)
            .await?;
        let totals = sqlx::query_as(include_str!("../../queries/repository_model_total_list.sql"))
            .bind(tenant.as_str())
            .fetch_all(&mut *read)
            .await?;
        read.rollback().await?;
        Ok(totals)
    }

    pub(crate) fn redis(&self) -> anyhow::Result<Reader<ExecutionsRedis>> {
        self.chain_args.redis(self.partitions)
    }
}

/// Ids of live events.
pub(crate) fn new_event_id() -> EventId {
    EventId(Uuid::now_v7())
}
