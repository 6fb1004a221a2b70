//! What is to be imported, for whom, into which store.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use archive::Folder;
use event_store::PgEventStore;
use events::TenantId;
use import::{Backup, Bookkeeping, Importer, Origin, Progress, Rejected, Report, Run};
use mapping::{Mapping, Source};

use super::target;

/// How often a run notes how far it has come.
const NOTE_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TaskArgs {
    /// The mapping file
    pub(crate) mapping: PathBuf,

    /// The file with the rows, plain or gzip; none where the mapping reads a database
    pub(crate) file: Option<PathBuf>,

    /// The database that the mapping's query reads, as a role that may do no more than that
    #[arg(long, env = "MILLRACE_IMPORT_SOURCE_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) source_url: Option<String>,

    /// Whose data they are, unless the mapping says so
    #[arg(long)]
    pub(crate) tenant: Option<TenantId>,

    /// How many appends, or loads, are under way at the same time
    #[arg(long, default_value_t = 8, value_name = "N")]
    pub(crate) concurrency: usize,

    #[command(flatten)]
    pub(crate) store: event_store::Config,

    #[command(flatten)]
    pub(crate) registry: wire::RegistryConfig,

    #[command(flatten)]
    pub(crate) keys: event_store::KeyringConfig,
}

/// A mapping, its rows, and where they go.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) mapping: Mapping,
    pub(crate) origin: Origin,
    pub(crate) importer: Importer<PgEventStore>,
    text: String,
    books: Bookkeeping,
}

impl TaskArgs {
    pub(crate) async fn task(&self) -> anyhow::Result<Task> {
        let path = self.mapping.display();
        let text =
            std::fs::read_to_string(&self.mapping).with_context(|| format!("failed to read {path}"))?;
        let mapping =
            Mapping::parse(&text).with_context(|| format!("the mapping file {path} makes no sense"))?;
        let tenant = match (&self.tenant, &mapping.tenant) {
            (Some(asked), Some(said)) if asked != said => {
                bail!("{path} is for tenant {said}, not for {asked}")
            }
            (Some(tenant), _) | (None, Some(tenant)) => tenant.clone(),
            (None, None) => bail!("whose data are they? Neither --tenant nor {path} says it"),
        };
        let origin = match (&mapping.source, &self.file, &self.source_url) {
            (Source::Postgres { .. }, None, Some(url)) => Origin::Database(url.clone()),
            (Source::Postgres { .. }, None, None) => {
                bail!("{path} reads a database: --source-url says which")
            }
            (Source::Postgres { .. }, Some(file), _) => {
                bail!("{path} reads a database, so it cannot read {}", file.display())
            }
            (Source::Csv { .. } | Source::JsonLines, Some(file), _) => Origin::File(file.clone()),
            (Source::Csv { .. } | Source::JsonLines, None, _) => bail!("{path} reads a file: which?"),
        };
        let registry = wire::Registry::new(&self.registry)?;
        let connections = self.store.connect().await?;
        let keyring = crate::keys::keyring(&self.keys, &connections)?;
        let target = target(&mapping.aggregate_type, &registry, keyring).await?;
        let store = Arc::new(PgEventStore::new(connections));
        let books = Bookkeeping::connect(&self.store.events_url, tenant.clone()).await?;
        Ok(Task {
            mapping,
            origin,
            importer: Importer::new(store, target, tenant, self.concurrency),
            text,
            books,
        })
    }
}

impl Task {
    /// Begins a run, or goes on with one that did not end.
    pub(crate) async fn begin(&self, actor: &str) -> anyhow::Result<Run> {
        Ok(self.books.begin(&self.mapping.name, &self.text, &self.origin.name(), actor).await?)
    }

    /// Notes the backup that was made for a run.
    pub(crate) async fn backed_up(&self, run: &Run, backup: &Folder) -> anyhow::Result<()> {
        let backup = Backup { name: backup.name(), sha256: backup.digest.clone() };
        Ok(self.books.backed_up(run.run_id, &backup).await?)
    }

    /// Runs it to its end.
    pub(crate) async fn run(
        &self,
        run: &Run,
        progress: &Progress,
        tell: impl FnMut(&Rejected),
    ) -> anyhow::Result<Report> {
        let id = run.run_id.to_string();
        let import = self.importer.run(&self.mapping, &self.origin, &id, progress, tell);
        tokio::pin!(import);
        let mut tick = tokio::time::interval(NOTE_EVERY);
        let report = loop {
            tokio::select! {
                report = &mut import => break report?,
                _ = tick.tick() => self.books.note(run.run_id, progress).await?,
            }
        };
        self.books.done(run.run_id, &report.counts).await?;
        Ok(report)
    }
}

/// Runs `work` with a bar of its progress.
pub(crate) async fn shown<T>(
    expected: u64,
    progress: &Progress,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let bar = crate::progress::bar(expected, "rows");
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    tokio::pin!(work);
    let done = loop {
        tokio::select! {
            done = &mut work => break done,
            _ = tick.tick() => {
                bar.set_position(progress.rows());
                bar.set_message(format!("{} events, {} rows refused", progress.appended(), progress.rejected()));
            }
        }
    };
    bar.finish_and_clear();
    done
}
