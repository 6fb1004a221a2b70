//! `millrace import verify`: source = store, row by row.

use comfy_table::Table;
use import::{Progress, Rows, Verified};
use serde_json::json;

use super::task::{TaskArgs, shown};
use crate::exit::Exit;

#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    task: TaskArgs,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl VerifyArgs {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let (task, progress) = (self.task.task().await?, Progress::default());
        let expected = Rows::expected(&task.mapping, &task.origin).await?;
        let verify = async { Ok(task.importer.verify(&task.mapping, &task.origin, &progress).await?) };
        let verified = shown(expected, &progress, verify).await?;
        if self.json {
            println!("{}", json!({"holds": verified.holds(), "verified": verified}));
        } else {
            print(&verified);
        }
        Ok(if verified.holds() { Exit::Ok } else { Exit::Difference })
    }
}

fn print(verified: &Verified) {
    let Verified { rows, rows_equal, rows_rejected, rows_missing, rows_different, .. } = verified;
    println!(
        "{rows} rows: {rows_equal} stored as they are, {rows_rejected} refused, {rows_missing} missing, {rows_different} different"
    );
    let mut table = Table::new();
    table.set_header(["", "source", "store"]);
    table.add_row(["events", &verified.events_expected.to_string(), &verified.events_found.to_string()]);
    for (name, sum) in &verified.sums {
        table.add_row([name, &sum.source.to_string(), &sum.store.to_string()]);
    }
    println!("{table}");
    verified.differences.iter().for_each(|difference| println!("{difference}"));
    println!("{}", if verified.holds() { "Nothing is lost." } else { "Source and store differ." });
}
