//! `millrace import status`.

use comfy_table::Table;
use events::TenantId;
use import::{Bookkeeping, Run};
use uuid::Uuid;

use crate::exit::Exit;

#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// One run; all of the tenant's when absent
    run: Option<Uuid>,

    /// Whose imports
    #[arg(long)]
    tenant: TenantId,

    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    store: event_store::Config,
}

impl StatusArgs {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let books = Bookkeeping::connect(&self.store.events_url, self.tenant.clone()).await?;
        let mut runs = books.runs().await?;
        runs.retain(|run| self.run.is_none_or(|wanted| run.run_id == wanted));
        if let (Some(wanted), true) = (self.run, runs.is_empty()) {
            eprintln!("tenant {} has no import {wanted}", self.tenant);
            return Ok(Exit::NotFound);
        }
        if self.json {
            for run in &runs {
                println!("{}", serde_json::to_string(run)?);
            }
        } else {
            println!("{}", table(&runs));
        }
        Ok(Exit::Ok)
    }
}

fn table(runs: &[Run]) -> Table {
    let mut table = Table::new();
    table.set_header([
        "run",
        "mapping",
        "source",
        "state",
        "begun",
        "heard of",
        "rows",
        "refused",
        "events",
        "there before",
        "backup",
    ]);
    for run in runs {
        let count = |name: &str| run.counts.get(name).map_or_else(|| "-".to_owned(), ToString::to_string);
        table.add_row([
            run.run_id.to_string(),
            run.mapping_name.clone(),
            run.source.clone(),
            run.state.to_string(),
            run.begun_at.format("%F %T").to_string(),
            run.noted_at.format("%F %T").to_string(),
            count("rows"),
            count("rows_rejected"),
            count("events_appended"),
            count("events_present"),
            run.backup.as_ref().map_or_else(|| "-".to_owned(), |backup| backup.name.clone()),
        ]);
    }
    table
}
