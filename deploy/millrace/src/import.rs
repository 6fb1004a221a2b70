//! `millrace import`: existing data in, through the same rules as live commands.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use agent_runs::{AgentRun, BadLine};
use agents::{Execution, Rejection};
use aggregate::Aggregate;
use anyhow::Context;
use clap::ValueEnum;
use event_store::{Append, AppendError, Codec, EventStore, Expected, NewEvent, PgEventStore, StoreError};
use events::{AggregateId, DomainEvent, ExecutionEvent, Metadata, TenantId};
use flate2::read::GzDecoder;
use futures::StreamExt;

use crate::exit::Exit;

/// What a bad line means for the lines after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnError {
    /// No further line is begun; what was stored stays, and the import can be run again.
    Stop,
    /// It is reported, the others are imported.
    Continue,
}

/// Imports runs for one tenant.
#[derive(Debug)]
pub(crate) struct Importer {
    pub(crate) store: PgEventStore,
    pub(crate) codec: Codec<ExecutionEvent>,
    pub(crate) tenant: TenantId,
    pub(crate) on_error: OnError,
    /// How many runs are appended at the same time.
    pub(crate) concurrency: usize,
}

/// How far an import has come; read while it runs.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) lines: AtomicU64,
    pub(crate) appended: AtomicU64,
    pub(crate) present: AtomicU64,
}

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Imported {
    pub(crate) runs: u64,
    pub(crate) events_appended: u64,
    /// Events that an earlier import had stored.
    pub(crate) events_present: u64,
    pub(crate) bad_lines: Vec<String>,
}

/// Why one line was not imported.
#[derive(Debug, thiserror::Error)]
enum LineError {
    #[error(transparent)]
    Bad(#[from] BadLine),
    #[error("the rules refuse it: {0}")]
    Rejected(#[from] Rejection),
    #[error("execution {0} exists with other events than this line leads to")]
    Diverged(AggregateId),
    /// Not the line's fault: ends the import whatever `--on-error` says.
    #[error("failed to store it")]
    Store(#[source] anyhow::Error),
}

/// Events of one append: large enough to be fast, small enough to show progress.
const CHUNK: usize = 100;
/// How often an append whose outcome is unknown, or that failed for a passing reason, is repeated.
const ATTEMPTS_MAX: u32 = 20;

impl Importer {
    /// Imports every line of a file (gzip by its first bytes). Stored events are recognised by their ids, so a second
    /// run, or one after a kill, adds what is missing and nothing twice.
    pub(crate) async fn file(&self, path: &Path, progress: &Progress) -> anyhow::Result<Imported> {
        let lines = open(path)?.lines().enumerate();
        let mut done = futures::stream::iter(lines)
            .map(async |(index, line)| {
                let line = line.map_err(|error| LineError::Store(error.into()));
                let result = match line {
                    Ok(line) => self.line(&line, progress).await,
                    Err(error) => Err(error),
                };
                progress.lines.fetch_add(1, Ordering::Relaxed);
                (index + 1, result)
            })
            .buffered(self.concurrency);

        let mut imported = Imported::default();
        while let Some((number, result)) = done.next().await {
            match result {
                Ok(()) => imported.runs += 1,
                Err(LineError::Store(error)) => {
                    return Err(error.context(format!("{}: line {number} was not stored", path.display())));
                }
                Err(error) => {
                    imported.bad_lines.push(format!("{}: line {number}: {error}", path.display()));
                    if self.on_error == OnError::Stop {
                        break;
                    }
                }
            }
        }
        drop(done);
        imported.events_appended = progress.appended.load(Ordering::Relaxed);
        imported.events_present = progress.present.load(Ordering::Relaxed);
        Ok(imported)
    }

    async fn line(&self, line: &str, progress: &Progress) -> Result<(), LineError> {
        let run = agent_runs::parse(line)?;
        let events = self.decide(&run)?;
        self.append(&events, progress).await
    }

    /// The whole history of a run, by the rules of the domain, with the ids it will always have.
    fn decide(&self, run: &AgentRun) -> Result<Vec<(AggregateId, NewEvent)>, LineError> {
        let execution_id = agent_runs::execution_id(&self.tenant, run);
        let metadata = Metadata {
            correlation_id: Some(run.run_id.clone()),
            actor: Some("import".into()),
            ..Metadata::default()
        };
        let (mut state, mut history) = (Execution::default(), Vec::new());
        for command in agent_runs::commands(run, execution_id) {
            for event in state.decide(command)? {
                let id = agent_runs::event_id(execution_id, history.len() as u64 + 1);
                let new = self.codec.new_event(&event, id, metadata.clone());
                let new = new.map_err(|error| LineError::Store(anyhow::Error::new(error)))?;
                history.push((execution_id.into(), new));
                state = state.evolve(&event);
            }
        }
        Ok(history)
    }

    async fn append(
        &self,
        history: &[(AggregateId, NewEvent)],
        progress: &Progress,
    ) -> Result<(), LineError> {
        let (mut stored, mut attempts) = (0, 0);
        while let Some((aggregate_id, _)) = history.get(stored) {
            let chunk = &history[stored..history.len().min(stored + CHUNK)];
            let append = Append {
                aggregate_id: *aggregate_id,
                aggregate_type: ExecutionEvent::AGGREGATE_TYPE.to_owned(),
                expected: Expected::Exactly(stored as u64),
                events: chunk.iter().map(|(_, event)| event.clone()).collect(),
            };
            match self.store.append(&self.tenant, &[append]).await {
                Ok(_) => {
                    stored += chunk.len();
                    attempts = 0;
                    progress.appended.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                }
                Err(AppendError::Conflict(_)) => {
                    let before = stored;
                    stored = self.present(*aggregate_id, history).await?;
                    progress.present.fetch_add((stored - before) as u64, Ordering::Relaxed);
                }
                Err(error) if is_transient(&error) && attempts < ATTEMPTS_MAX => {
                    attempts += 1;
                    tokio::time::sleep(Duration::from_millis(100)).await; // back-off, bounded by ATTEMPTS_MAX
                }
                Err(error) => return Err(LineError::Store(error.into())),
            }
        }
        Ok(())
    }

    /// How many of `history`'s events the store has; they must be the first ones, by id.
    async fn present(
        &self,
        id: AggregateId,
        history: &[(AggregateId, NewEvent)],
    ) -> Result<usize, LineError> {
        let stored =
            self.store.load(&self.tenant, id, 0).await.map_err(|error| LineError::Store(error.into()))?;
        let ours = history.iter().map(|(_, event)| event.event_id);
        if stored.len() > history.len()
            || !stored.iter().map(|event| event.event_id).eq(ours.take(stored.len()))
        {
            return Err(LineError::Diverged(id));
        }
        Ok(stored.len())
    }
}

fn is_transient(error: &AppendError) -> bool {
    match error {
        AppendError::Unknown(_) => true,
        AppendError::Store(error) => StoreError::is_transient(error),
        _ => false,
    }
}

fn open(path: &Path) -> anyhow::Result<Box<dyn BufRead + Send>> {
    let mut file =
        BufReader::new(File::open(path).with_context(|| format!("failed to open {}", path.display()))?);
    let gzip = file
        .fill_buf()
        .with_context(|| format!("failed to read {}", path.display()))?
        .starts_with(&[0x1f, 0x8b]);
    Ok(if gzip { Box::new(BufReader::new(GzDecoder::new(file))) } else { Box::new(file) })
}

/// `millrace import agent-runs`.
#[derive(Debug, clap::Args)]
pub(crate) struct AgentRunsArgs {
    /// The file: one JSON object a line, plain or gzip
    file: PathBuf,

    /// Whose runs they are
    #[arg(long)]
    tenant: TenantId,

    /// What a bad line means for the lines after it
    #[arg(long, value_enum, default_value_t = OnError::Stop)]
    on_error: OnError,

    /// How many runs are appended at the same time
    #[arg(long, default_value_t = 8, value_name = "N")]
    concurrency: usize,

    /// Print what was done as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    store: event_store::Config,

    #[command(flatten)]
    registry: wire::RegistryConfig,
}

impl AgentRunsArgs {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let total = open(&self.file)?.lines().count() as u64;
        let importer = Importer {
            store: PgEventStore::new(self.store.connect().await?),
            codec: Codec::prepare(&wire::Registry::new(&self.registry)?).await?,
            tenant: self.tenant,
            on_error: self.on_error,
            concurrency: self.concurrency.max(1),
        };
        let progress = Progress::default();
        let bar = crate::progress::bar(total, "runs");
        let imported = {
            let import = importer.file(&self.file, &progress);
            tokio::pin!(import);
            let mut tick = tokio::time::interval(Duration::from_millis(100));
            loop {
                tokio::select! {
                    imported = &mut import => break imported?,
                    _ = tick.tick() => {
                        bar.set_position(progress.lines.load(Ordering::Relaxed));
                        bar.set_message(format!("{} events", progress.appended.load(Ordering::Relaxed)));
                    }
                }
            }
        };
        bar.finish_and_clear();
        for line in &imported.bad_lines {
            eprintln!("{line}");
        }
        if self.json {
            println!("{}", serde_json::to_string(&imported)?);
        } else {
            println!(
                "{} runs imported: {} events appended, {} were there already, {} bad lines",
                imported.runs,
                imported.events_appended,
                imported.events_present,
                imported.bad_lines.len()
            );
        }
        Ok(match (imported.bad_lines.is_empty(), self.on_error) {
            (true, _) => Exit::Ok,
            (false, OnError::Stop) => Exit::Failed,
            (false, OnError::Continue) => Exit::PartlyFailed,
        })
    }
}
