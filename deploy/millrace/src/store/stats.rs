//! `millrace store stats`: how much the store holds.

use clap::Args;
use comfy_table::Table;
use life_cycle::Statistics;

use super::StewardArgs;
use crate::exit::Exit;

/// Counts the whole store once.
#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    store: StewardArgs,
}

impl StatsArgs {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let statistics = self.store.steward().await?.statistics().await?;
        if self.json {
            println!("{}", serde_json::to_string(&statistics)?);
        } else {
            print(&statistics);
        }
        Ok(Exit::Ok)
    }
}

fn print(statistics: &Statistics) {
    println!(
        "{} events, {} of payload; stored within the last hour {}, day {}, week {}",
        statistics.events,
        size(statistics.bytes),
        statistics.recorded_last_hour,
        statistics.recorded_last_day,
        statistics.recorded_last_week
    );
    let appends = &statistics.appends;
    let lag =
        appends.slot_lag_bytes.map_or_else(|| "no slot".to_owned(), |lag| format!("{} behind", size(lag)));
    println!(
        "position {}, settled {}; {} open appenders; outbox {} days ahead; slot {lag}",
        appends.last_position, appends.settled_position, appends.open_appenders, appends.outbox_days_ahead
    );
    let keys = &statistics.subject_keys;
    println!(
        "keys of data subjects: {} live ({}), {} destroyed",
        keys.live,
        keys.masters.join(", "),
        keys.destroyed
    );
    for left in &statistics.pruned {
        println!("{}: {} events in {} ranges", left.reason, left.events, left.ranges);
    }

    let mut kept = Table::new();
    kept.set_header(["tenant", "type", "streams", "events", "payload"]);
    for of in &statistics.by_tenant_and_type {
        let (tenant, aggregate_type) = (of.tenant.clone(), of.aggregate_type.clone());
        kept.add_row([tenant, aggregate_type, of.streams.to_string(), of.events.to_string(), size(of.bytes)]);
    }
    println!("{kept}");

    let mut largest = Table::new();
    largest.set_header(["largest streams", "tenant", "type", "events", "payload"]);
    for stream in &statistics.largest_streams {
        largest.add_row([
            stream.aggregate_id.to_string(),
            stream.tenant.clone(),
            stream.aggregate_type.clone(),
            stream.events.to_string(),
            size(stream.bytes),
        ]);
    }
    println!("{largest}");

    let mut tables = Table::new();
    tables.set_header(["table", "rows on disk", "indexes", "dead rows"]);
    for table in &statistics.tables {
        tables.add_row([
            table.name.clone(),
            size(table.table_bytes),
            size(table.index_bytes),
            table.dead_rows.to_string(),
        ]);
    }
    println!("{tables}");
}

/// Bytes for an eye.
fn size(bytes: i64) -> String {
    indicatif::BinaryBytes(bytes.unsigned_abs()).to_string()
}
