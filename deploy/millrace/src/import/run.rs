//! `millrace import run`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use archive::{Folder, Kind};
use clap::ValueEnum;
use event_store::AuditConfig;
use import::{Progress, Rows, Run};
use serde_json::json;

use super::print::{Rejections, counts, line};
use super::task::{Task, TaskArgs, shown};
use super::validate::validated;
use crate::exit::Exit;

/// What a refused row means for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnError {
    /// All rows are validated first, and nothing is written unless all are good.
    Stop,
    /// It is listed, the others are imported.
    Continue,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    task: TaskArgs,

    /// What a refused row means for the others
    #[arg(long, value_enum, default_value_t = OnError::Stop)]
    on_error: OnError,

    /// Who imports
    #[arg(long, env = "USER", default_value = "operator")]
    actor: String,

    /// Back the whole store up first, to a new folder in this one. Without it there is no backup: the run notes where the
    /// store stood, and `millrace import rollback` takes back what it stored and nothing else
    #[arg(long, value_name = "DIR")]
    backup: Option<PathBuf>,

    /// The events' database as the role `auditor`, which sees every tenant and may change nothing
    #[arg(long, env = "MILLRACE_EVENTS_AUDITOR_URL", hide_env_values = true, value_name = "URL")]
    events_auditor_url: Option<String>,

    /// Print refused rows and the result as JSON, one object a line
    #[arg(long)]
    json: bool,
}

impl RunArgs {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let task = self.task.task().await?;
        let expected = match self.on_error {
            OnError::Stop => {
                let report = validated(&task, self.json).await?;
                if report.counts.rows_rejected > 0 {
                    if self.json {
                        println!("{}", line("validated", json!(report)));
                    } else {
                        counts("validated", &report.counts);
                        println!("Nothing was imported; `--on-error continue` imports the good rows.");
                    }
                    return Ok(Exit::Failed);
                }
                report.counts.rows
            }
            OnError::Continue => Rows::expected(&task.mapping, &task.origin).await?,
        };
        let run = task.begin(&self.actor).await?;
        eprintln!("run {}: the store stood at position {}", run.run_id, run.begun_position);
        if let Some(directory) = &self.backup {
            self.back_up(&task, &run, directory).await?;
        }
        let (progress, rejections) = (Progress::default(), Rejections::new(self.json));
        let running = task.run(&run, &progress, |rejected| rejections.tell(rejected));
        let report = shown(expected, &progress, running).await?;
        rejections.finish();
        if self.json {
            println!("{}", line("imported", json!(report)));
        } else {
            counts("imported", &report.counts);
        }
        Ok(if report.counts.rows_rejected == 0 { Exit::Ok } else { Exit::PartlyFailed })
    }

    /// The store as it is before the run stores anything. A run that goes on keeps the backup that it began with.
    async fn back_up(&self, task: &Task, run: &Run, directory: &Path) -> anyhow::Result<()> {
        if let Some(backup) = &run.backup {
            eprintln!("run {}: backed up before, in {}", run.run_id, backup.name);
            return Ok(());
        }
        let url = self.events_auditor_url.clone();
        let auditor = AuditConfig {
            events_auditor_url: url.context("who reads a backup? --events-auditor-url says it")?,
        };
        let path = directory.join(format!("before-import-{}", run.run_id));
        let folder = match path.exists() {
            // Finished by a run that was killed before it could note it, and so before it stored anything.
            true => Folder::open_as(&path, Kind::Backup)?,
            false => crate::backup::write(&auditor, &self.task.registry, &path, true).await?,
        };
        task.backed_up(run, &folder).await?;
        eprintln!("run {}: backed up in {}", run.run_id, folder.path.display());
        Ok(())
    }
}
