//! `millrace parked show`: the records of a key, and the view that they wait for.

use anyhow::Context;
use clap::Args;
use dead_letters::{EventShown, Operator};
use kafka::ParkKey;
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::preview::{InPartition, LookArgs};
use super::{KeyArgs, known};
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

/// A key that was looked at: its records, read and as they came, and what a redrive would do.
#[derive(Debug)]
pub(crate) struct Looked {
    records: Vec<EventShown>,
    read: Vec<anyhow::Result<Value>>,
    /// What is parked can be looked at while the views or the registry cannot.
    redrive: anyhow::Result<Vec<InPartition>>,
}

impl ShowArgs {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        let KeyArgs { projection, key } = &self.key;
        let mut connection = self.look.views.connect().await?;
        let mut operator = Operator::new(&mut connection);
        known(&mut operator, projection).await?;
        let records = operator.show(projection, key, self.limit).await?;
        let registry = self.look.registry()?;
        let looked = self.look.at(&mut connection, &registry, projection, records).await;
        if self.json {
            println!("{}", looked.to_json(projection, key, |error| format!("{error:#}")));
        } else {
            looked.print();
        }
        Ok(Exit::Ok)
    }
}

impl LookArgs {
    /// Looks at these records of one key, and at the view that they are about.
    pub(crate) async fn at(
        &self,
        views: &mut PgConnection,
        registry: &wire::Registry,
        projection: &str,
        records: Vec<EventShown>,
    ) -> Looked {
        let mut read = Vec::with_capacity(records.len());
        for record in &records {
            read.push(payload(registry, record).await);
        }
        let redrive = self.preview(views, registry, projection, &records).await;
        Looked { records, read, redrive }
    }
}

impl Looked {
    /// All of it, one object; `told` says as much of an error as who asks may know.
    pub(crate) fn to_json(
        &self,
        projection: &str,
        key: &ParkKey,
        told: impl Fn(&anyhow::Error) -> String,
    ) -> Value {
        let records = self.records.iter().zip(&self.read);
        let records: Vec<Value> = records.map(|(record, read)| facts(record, read, &told)).collect();
        json!({
            "projection": projection, "key": key.to_string(), "records": records, "redrive": self.redrive.as_ref().ok(),
            "redrive_unknown": self.redrive.as_ref().err().map(told),
        })
    }

    fn print(&self) {
        for (record, read) in self.records.iter().zip(&self.read) {
            print(record, read);
        }
        match &self.redrive {
            Ok(views) => views.iter().for_each(InPartition::print),
            Err(error) => println!("what a redrive would do cannot be told: {error:#}"),
        }
    }
}

/// The payload by the schema it was written with, or why it cannot be read.
async fn payload(registry: &wire::Registry, record: &EventShown) -> anyhow::Result<Value> {
    let payload = record.payload.as_deref().context("there is none")?;
    Ok(wire::to_json(registry, payload).await?)
}

fn facts(
    record: &EventShown,
    read: &anyhow::Result<Value>,
    told: impl Fn(&anyhow::Error) -> String,
) -> Value {
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
        "payload": read.as_ref().ok(), "payload_unreadable": read.as_ref().err().map(told),
        "payload_hex": record.payload.as_deref().map(hex),
    })
}

fn print(record: &EventShown, read: &anyhow::Result<Value>) {
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
        Err(why) => println!("  event     cannot be read: {why:#}"),
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
