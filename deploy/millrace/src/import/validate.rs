//! `millrace import validate`: every row is tried, nothing is written.

use import::{Progress, Report, Rows};
use serde_json::json;

use super::print::{Rejections, counts, line};
use super::task::{Task, TaskArgs, shown};
use crate::exit::Exit;

#[derive(Debug, clap::Args)]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    task: TaskArgs,

    /// Print refused rows and the result as JSON, one object a line
    #[arg(long)]
    json: bool,
}

impl ValidateArgs {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let report = validated(&self.task.task().await?, self.json).await?;
        if self.json {
            println!("{}", line("validated", json!(report)));
        } else {
            counts("validated", &report.counts);
        }
        Ok(if report.counts.rows_rejected == 0 { Exit::Ok } else { Exit::Failed })
    }
}

/// Validates with a bar, and lists what is refused.
pub(crate) async fn validated(task: &Task, json: bool) -> anyhow::Result<Report> {
    let (progress, rejections) = (Progress::default(), Rejections::new(json));
    let expected = Rows::expected(&task.mapping, &task.origin).await?;
    let validate = async {
        let tell = |rejected: &import::Rejected| rejections.tell(rejected);
        Ok(task.importer.validate(&task.mapping, &task.origin, &progress, tell).await?)
    };
    let report = shown(expected, &progress, validate).await?;
    rejections.finish();
    Ok(report)
}
