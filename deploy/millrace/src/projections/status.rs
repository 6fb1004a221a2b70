//! `millrace projections status`: how fresh the views are.

use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::Args;
use comfy_table::Table;
use serde::Serialize;
use sqlx::{Connection, FromRow, PgConnection};

use crate::exit::Exit;
use crate::program::projections;

/// What to show, and when to complain.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Print JSON, one object a projection
    #[arg(long)]
    json: bool,

    /// Complain (exit status 10) about projections that are further behind than so many seconds, or were never current
    #[arg(long, value_name = "SECONDS")]
    lag_max: Option<f64>,

    /// The views' database as the role `dashboard`
    #[arg(long, env = "MILLRACE_VIEWS_DASHBOARD_URL", hide_env_values = true, value_name = "URL")]
    views_dashboard_url: String,
}

/// One projection, over all partitions of its topic.
#[derive(Debug, Default, Serialize, FromRow)]
struct Freshness {
    projection: String,
    /// Null, as all that follows, where no projector has said anything since its views were made.
    topic: Option<String>,
    as_of: Option<DateTime<Utc>>,
    lag_seconds: Option<f64>,
    lag_records: Option<i64>,
    newest_at: Option<DateTime<Utc>>,
    parked_keys: Option<i64>,
    stopped_partitions: Option<i64>,
    reported_at: Option<DateTime<Utc>>,
}

impl StatusArgs {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let mut views = PgConnection::connect(&self.views_dashboard_url)
            .await
            .context("failed to connect as dashboard")?;
        let mut found: Vec<Freshness> =
            sqlx::query_as(include_str!("../../queries/projection_freshness_list.sql"))
                .fetch_all(&mut views)
                .await
                .context("failed to read how fresh the projections are")?;
        for projection in projections() {
            if !found.iter().any(|it| it.projection == projection.name()) {
                found.push(Freshness { projection: projection.name().to_owned(), ..Freshness::default() });
            }
        }
        if self.json {
            for freshness in &found {
                println!("{}", serde_json::to_string(freshness)?);
            }
        } else {
            print(&found);
        }
        // Whoever never said anything was never current, either.
        let lag = |name| found.iter().find(|it| it.projection == name).and_then(|it| it.lag_seconds);
        let is_behind = |max: f64| projections().iter().any(|it| lag(it.name()).is_none_or(|lag| lag > max));
        Ok(if self.lag_max.is_some_and(is_behind) { Exit::Difference } else { Exit::Ok })
    }
}

fn print(found: &[Freshness]) {
    let mut table = Table::new();
    table.set_header([
        "projection",
        "as of",
        "lag",
        "records",
        "parked keys",
        "stopped partitions",
        "reported",
    ]);
    let moment = |at: DateTime<Utc>| at.format("%F %T%.3fZ").to_string();
    let number = |number: Option<i64>| number.map_or(String::new(), |number| number.to_string());
    for it in found {
        table.add_row([
            it.projection.clone(),
            it.as_of.map_or("never current".to_owned(), moment),
            it.lag_seconds.map_or(String::new(), |lag| format!("{lag:.1} s")),
            number(it.lag_records),
            number(it.parked_keys),
            number(it.stopped_partitions),
            it.reported_at.map_or("no projector has said anything yet".to_owned(), moment),
        ]);
    }
    println!("{table}");
}
