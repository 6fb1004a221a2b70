//! `millrace parked audit`: who asked for what, and what came of it.

use clap::Args;
use comfy_table::Table;
use dead_letters::{Operator, RequestKeyShown, RequestShown};

use super::{ViewsArgs, known};
use crate::exit::Exit;

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// Of this projection only
    projection: Option<String>,
    /// This request with its keys
    #[arg(long, value_name = "ID", conflicts_with = "projection")]
    request: Option<i64>,
    /// At most so many requests, the newest first, or keys of one
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..))]
    limit: i64,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    views: ViewsArgs,
}

impl AuditArgs {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        let mut connection = self.views.connect().await?;
        let mut operator = Operator::new(&mut connection);
        if let Some(projection) = &self.projection {
            known(&mut operator, projection).await?;
        }
        let (requests, keys) = match self.request {
            Some(id) => (vec![operator.request(id).await?], operator.request_keys(id, self.limit).await?),
            None => (operator.requests(self.projection.as_deref(), self.limit).await?, vec![]),
        };
        if self.json {
            for request in &requests {
                println!("{}", serde_json::to_string(request)?);
            }
            for key in &keys {
                println!("{}", serde_json::to_string(key)?);
            }
        } else {
            print_requests(&requests);
            print_keys(&keys);
        }
        Ok(Exit::Ok)
    }
}

fn print_requests(requests: &[RequestShown]) {
    if requests.is_empty() {
        return println!("nobody has asked for anything");
    }
    let mut table = Table::new();
    table.set_header([
        "request",
        "at",
        "who",
        "projection",
        "action",
        "filter",
        "reason",
        "keys",
        "done",
        "failed",
        "passed over",
        "open",
    ]);
    for it in requests {
        table.add_row([
            it.id.to_string(),
            it.requested_at.to_rfc3339(),
            it.actor.clone(),
            it.projection.clone(),
            it.action.clone(),
            it.filter.to_string(),
            it.reason.clone().unwrap_or_default(),
            it.keys.to_string(),
            it.done.to_string(),
            it.failed.to_string(),
            it.passed_over.to_string(),
            (it.to_ask + it.open).to_string(),
        ]);
    }
    println!("{table}");
}

fn print_keys(keys: &[RequestKeyShown]) {
    if keys.is_empty() {
        return;
    }
    let mut table = Table::new();
    table.set_header(["partition", "key", "tenant", "outcome", "reason", "message"]);
    for it in keys {
        table.add_row([
            it.partition.to_string(),
            it.key().to_string(),
            it.tenant_id.clone().unwrap_or_default(),
            it.outcome.clone().unwrap_or_else(|| "open".to_owned()),
            it.reason.clone().unwrap_or_default(),
            it.message.clone().unwrap_or_default(),
        ]);
    }
    println!("{table}");
}
