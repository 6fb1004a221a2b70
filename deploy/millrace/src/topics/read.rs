//! `millrace topics read`: a look into a topic.

use clap::Args;
use kafka::Record;
use serde_json::{Value, json};

use crate::chain::TopicsReadArgs;
use crate::exit::Exit;

#[derive(Debug, Clone, Args)]
pub(crate) struct ReadArgs {
    /// The topic
    topic: String,
    /// How many records at most, the newest
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    last: u16,
    #[command(flatten)]
    topics: TopicsReadArgs,
    #[command(flatten)]
    registry: wire::RegistryConfig,
}

impl ReadArgs {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        let (reader, last) = (self.topics.reader()?, usize::from(self.last));
        let records = tokio::task::spawn_blocking(move || {
            let mut records = Vec::new();
            reader.read(&self.topic, |record| {
                records.push(record);
                if records.len() > 2 * last + 1_000 {
                    newest(&mut records, last);
                }
            })?;
            newest(&mut records, last);
            anyhow::Ok(records)
        });
        let registry = wire::Registry::new(&self.registry)?;
        for record in records.await?? {
            println!("{}", shown(&record, &registry).await);
        }
        Ok(Exit::Ok)
    }
}

/// Keeps so many of the newest, oldest first.
fn newest(records: &mut Vec<Record>, count: usize) {
    records.sort_by_key(|record| (record.timestamp_ms, record.partition, record.offset));
    records.drain(..records.len().saturating_sub(count));
}

/// A record for people; what cannot be read says why.
async fn shown(record: &Record, registry: &wire::Registry) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let value = match &record.payload {
        None => Value::Null,
        Some(payload) => wire::to_json(registry, payload)
            .await
            .unwrap_or_else(|error| json!({ "unreadable": error.to_string(), "bytes": payload.len() })),
    };
    let headers = record.headers.iter().map(|(name, value)| (name.to_owned(), json!(value.map(text))));
    json!({
        "partition": record.partition, "offset": record.offset, "key": record.key.as_deref().map(text),
        "headers": Value::Object(headers.collect()), "value": value,
    })
}
