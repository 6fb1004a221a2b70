//! `millrace parked show`: the records of a key, and the view that they wait for.

use clap::Args;
use dead_letters::{EventShown, Operator};
use serde_json::{Value, json};

use super::KeyArgs;
use super::preview::{InPartition, LookArgs};
use crate::exit::Exit;

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    key: KeyArgs,
    /// At most so many records; the view as it would be is the one after these
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..))]
    limit: i64,
    /// Print JSON, one object in all
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    look: LookArgs,
}

impl ShowArgs {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        let KeyArgs { projection, key } = &self.key;
        let mut connection = self.look.views.connect().await?;
        let records = Operator::new(&mut connection).show(projection, key, self.limit).await?;
        let registry = self.look.registry()?;
        let mut read = Vec::with_capacity(records.len());
        for record in &records {
            read.push(payload(&registry, record).await);
        }
        // What is parked can be looked at while the views or the registry cannot.
        let views = self.look.preview(&mut connection, &registry, projection, &records).await;
        if self.json {
            let records: Vec<Value> = records.iter().zip(&read).map(|(it, read)| facts(it, read)).collect();
            let unknown = views.as_ref().err().map(|error| format!("{error:#}"));
            let (key, redrive) = (key.to_string(), views.ok());
            println!(
                "{}",
                json!({
                    "projection": projection, "key": key, "records": records, "redrive": redrive,
                    "redrive_unknown": unknown,
                })
            );
            return Ok(Exit::Ok);
        }
        for (record, read) in records.iter().zip(&read) {
            print(record, read);
        }
        match views {
            Ok(views) => views.iter().for_each(InPartition::print),
            Err(error) => println!("what a redrive would do cannot be told: {error:#}"),
        }
        Ok(Exit::Ok)
    }
}

/// The payload by the schema it was written with, or why it cannot be read.
async fn payload(registry: &wire::Registry, record: &EventShown) -> Result<Value, String> {
    let Some(payload) = &record.payload else { return Err("there is none".to_owned()) };
    wire::to_json(registry, payload).await.map_err(|error| format!("{:#}", anyhow::Error::from(error)))
}

fn facts(record: &EventShown, read: &Result<Value, String>) -> Value {
    let headers: Vec<Value> = record
        .headers()
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value.map(shown) }))
        .collect();
    json!({
        "topic": record.topic, "partition": record.partition, "offset": record.record_offset,
        "record_key": record.record_key.as_deref().map(shown), "timestamp_ms": record.timestamp_ms,
        "headers": headers, "schema_id": record.schema_id, "tenant": record.tenant_id,
        "aggregate_id": record.aggregate_id.map(|id| id.to_string()), "version": record.version,
        "event_id": record.event_id.map(|id| id.to_string()), "event_type": record.event_type,
        "reason": record.reason, "message": record.message, "attempts": record.attempts,
        "parked_at": record.parked_at, "copied_at": record.copied_at,
        "payload": read.as_ref().ok(), "payload_unreadable": read.as_ref().err(),
        "payload_hex": record.payload.as_deref().map(hex),
    })
}

fn print(record: &EventShown, read: &Result<Value, String>) {
    println!("{}/{}/{}", record.topic, record.partition, record.record_offset);
    println!("  reason    {}: {}", record.reason, record.message);
    println!("  attempts  {}", record.attempts);
    println!("  parked    {}", record.parked_at.to_rfc3339());
    println!("  copied    {}", record.copied_at.map_or("not yet".to_owned(), |at| at.to_rfc3339()));
    println!("  key       {}", or_null(record.record_key.as_deref().map(shown)));
    for (name, value) in record.headers().iter() {
        println!("  header    {name}: {}", or_null(value.map(shown)));
    }
    println!("  schema    {}", record.schema_id.map_or("unknown".to_owned(), |id| id.to_string()));
    match read {
        Ok(event) => println!("  event     {event}"),
        Err(why) => println!("  event     cannot be read: {why}"),
    }
    println!("  payload   {}", or_null(record.payload.as_deref().map(hex)));
}

fn or_null(text: Option<String>) -> String {
    text.unwrap_or_else(|| "null".to_owned())
}

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
