//! `millrace store audit`: what was done to the store besides appending.

use clap::Args;
use comfy_table::Table;
use events::TenantId;

use super::StewardArgs;
use crate::exit::Exit;

/// Which deeds to list, the newest first.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// Of this tenant only
    #[arg(long)]
    tenant: Option<TenantId>,

    /// At most so many
    #[arg(long, default_value_t = 100)]
    limit: u32,

    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    store: StewardArgs,
}

impl AuditArgs {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let deeds = self.store.steward().await?.audit(self.tenant.as_ref(), self.limit).await?;
        if self.json {
            for deed in &deeds {
                println!("{}", serde_json::to_string(deed)?);
            }
            return Ok(Exit::Ok);
        }
        let mut table = Table::new();
        table.set_header(["at", "tenant", "action", "events", "actor", "reason", "details"]);
        for deed in deeds {
            table.add_row([
                deed.at,
                deed.tenant,
                deed.action,
                deed.events.to_string(),
                deed.actor,
                deed.reason,
                deed.details.to_string(),
            ]);
        }
        println!("{table}");
        Ok(Exit::Ok)
    }
}
