//! `millrace import run`.

use clap::ValueEnum;
use import::{Progress, Rows};
use serde_json::json;

use super::print::{Rejections, counts, line};
use super::task::{TaskArgs, shown};
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
        let (progress, rejections) = (Progress::default(), Rejections::new(self.json));
        let told = |run: &import::Run| {
            eprintln!("run {}: the store stood at position {}", run.run_id, run.begun_position);
        };
        let run = task.run(&self.actor, &progress, told, |rejected| rejections.tell(rejected));
        let report = shown(expected, &progress, run).await?;
        rejections.finish();
        if self.json {
            println!("{}", line("imported", json!(report)));
        } else {
            counts("imported", &report.counts);
        }
        Ok(if report.counts.rows_rejected == 0 { Exit::Ok } else { Exit::PartlyFailed })
    }
}
