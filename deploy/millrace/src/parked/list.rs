//! What is parked, key by key and cause by cause.

use clap::Args;
use comfy_table::Table;
use dead_letters::{CauseShown, KeyShown, Operator};
use kafka::ParkKey;

use super::{FilterArgs, ViewsArgs, known};
use crate::exit::Exit;

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Of this projection only
    projection: Option<String>,
    #[command(flatten)]
    filter: FilterArgs,
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..))]
    limit: i64,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    views: ViewsArgs,
}

impl ListArgs {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        let mut connection = self.views.connect().await?;
        let (mut operator, filter) = (Operator::new(&mut connection), self.filter.of(self.projection));
        if let Some(projection) = &filter.projection {
            known(&mut operator, projection).await?;
        }
        let keys = operator.list(&filter, self.limit).await?;
        if self.json {
            for key in &keys {
                println!("{}", serde_json::to_string(key)?);
            }
        } else {
            print_keys(&keys);
        }
        Ok(Exit::Ok)
    }

    /// The same keys by cause.
    pub(super) async fn causes(self) -> anyhow::Result<Exit> {
        let mut connection = self.views.connect().await?;
        let (mut operator, filter) = (Operator::new(&mut connection), self.filter.of(self.projection));
        if let Some(projection) = &filter.projection {
            known(&mut operator, projection).await?;
        }
        let causes = operator.causes(&filter, self.limit).await?;
        if self.json {
            for cause in &causes {
                println!("{}", serde_json::to_string(cause)?);
            }
        } else {
            print_causes(&causes);
        }
        Ok(Exit::Ok)
    }
}

fn print_keys(keys: &[KeyShown]) {
    if keys.is_empty() {
        return println!("nothing is parked");
    }
    let mut table = Table::new();
    table.set_header([
        "projection",
        "partition",
        "key",
        "records",
        "state",
        "reason",
        "type",
        "attempts",
        "since",
        "message",
    ]);
    for key in keys {
        table.add_row([
            key.projection.clone(),
            key.partition.to_string(),
            key.key().to_string(),
            key.events.to_string(),
            key.state.clone(),
            key.reason.clone(),
            key.event_type.clone().unwrap_or_default(),
            key.attempts.to_string(),
            key.parked_at.to_rfc3339(),
            key.message.clone(),
        ]);
    }
    println!("{table}");
}

fn print_causes(causes: &[CauseShown]) {
    if causes.is_empty() {
        return println!("nothing is parked");
    }
    let mut table = Table::new();
    table.set_header([
        "projection",
        "reason",
        "type",
        "message",
        "keys",
        "records",
        "tenants",
        "first",
        "last",
        "for example",
    ]);
    for cause in causes {
        let more = if cause.tenants > cause.some_tenants.len() as i64 { ", …" } else { "" };
        table.add_row([
            cause.projection.clone(),
            cause.reason.clone(),
            cause.event_type.clone().unwrap_or_default(),
            cause.cause.clone(),
            cause.keys.to_string(),
            cause.events.to_string(),
            format!("{}: {}{more}", cause.tenants, cause.some_tenants.join(", ")),
            cause.first_at.to_rfc3339(),
            cause.last_at.to_rfc3339(),
            ParkKey::from_stored(cause.example.clone()).to_string(),
        ]);
    }
    println!("{table}");
}
