//! `millrace store retention`: what a policy wants archived now.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use comfy_table::Table;
use life_cycle::Policy;

use super::StewardArgs;
use crate::exit::Exit;

/// Lists streams that are over and quiet for long enough; archives none.
#[derive(Debug, Args)]
pub(crate) struct RetentionArgs {
    /// The policy, in YAML: `archive: { execution: { quiet_days: 90, over_with: [ExecutionCompleted] } }`
    #[arg(long, env = "MILLRACE_RETENTION_POLICY", value_name = "FILE")]
    policy: PathBuf,

    /// At most so many of each aggregate type
    #[arg(long, default_value_t = 1000)]
    limit: u32,

    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    store: StewardArgs,
}

impl RetentionArgs {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let text = std::fs::read_to_string(&self.policy)
            .with_context(|| format!("failed to read {}", self.policy.display()))?;
        let policy = Policy::parse(&text).with_context(|| format!("in {}", self.policy.display()))?;
        let due = self.store.steward().await?.due_for_archive(&policy, self.limit).await?;
        if self.json {
            for stream in &due {
                println!("{}", serde_json::to_string(stream)?);
            }
            return Ok(Exit::Ok);
        }
        let mut table = Table::new();
        table.set_header(["tenant", "type", "aggregate", "versions"]);
        for stream in due {
            table.add_row([
                stream.tenant.to_string(),
                stream.aggregate_type,
                stream.aggregate_id.to_string(),
                format!("{} to {}", stream.from_version, stream.to_version),
            ]);
        }
        println!("{table}");
        Ok(Exit::Ok)
    }
}
