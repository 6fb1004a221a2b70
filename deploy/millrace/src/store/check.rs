//! `millrace store check`: whether the store is as it should be.

use std::collections::BTreeMap;

use clap::Args;
use events::DomainEvent;
use futures::FutureExt;
use futures::future::BoxFuture;
use life_cycle::Payload;
use serde_json::{Value, json};
use wire::{Decoder, Registry};

use super::StewardArgs;
use crate::exit::Exit;

/// Reads the whole store once and names the first violation of each rule: versions without a gap, what was pruned, triggers,
/// row-level security, roles, the outbox's days, and that every payload reads as what is stored of it for people (of domains that this program does not know: that it names
/// its schema).
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    store: StewardArgs,

    #[command(flatten)]
    registry: wire::RegistryConfig,
}

impl CheckArgs {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let registry = Registry::new(&self.registry)?;
        let mut readers: BTreeMap<&str, Box<dyn Read>> = BTreeMap::new();
        events::each_event_set!(E => {
            readers.insert(E::AGGREGATE_TYPE, Box::new(Decoder::<E>::new(registry.clone())));
        });
        let examine = async |event: &Payload| match readers.get(event.aggregate_type.as_str()) {
            Some(reader) => compare(&reader.read(&event.payload).await?, &event.event_data),
            // Another program's domain: no more can be said than that it names its schema.
            None => wire::schema_id(&event.payload).map(drop).ok_or("it does not name its schema".to_owned()),
        };
        let violations = self.store.steward().await?.check(examine).await?;
        if self.json {
            println!("{}", json!({ "violations": violations }));
        } else if violations.is_empty() {
            println!("the store is as it should be");
        }
        for violation in violations.iter().filter(|_| !self.json) {
            println!("{}: {}", violation.check, violation.detail);
        }
        Ok(if violations.is_empty() { Exit::Ok } else { Exit::Failed })
    }
}

/// Reads payloads of one type of aggregate.
trait Read: Send + Sync {
    fn read<'a>(&'a self, payload: &'a [u8]) -> BoxFuture<'a, Result<Value, String>>;
}

impl<E: DomainEvent> Read for Decoder<E> {
    fn read<'a>(&'a self, payload: &'a [u8]) -> BoxFuture<'a, Result<Value, String>> {
        async move {
            let event = self.decode_loading(payload).await.map_err(|error| format!("{error}"))?;
            event.serialize_record(serde_json::value::Serializer).map_err(|error| error.to_string())
        }
        .boxed()
    }
}

/// Whether what is stored for people says what the payload says, in every field that both have: a field that a later version
/// of the schema added, or named anew, is in one of them only.
fn compare(payload: &Value, event_data: &Value) -> Result<(), String> {
    let Value::Object(fields) = event_data else { return Err("event_data is no object".to_owned()) };
    let both = fields.iter().filter_map(|(field, said)| Some((field, said, payload.get(field)?)));
    match both.into_iter().find(|(_, said, is)| said != is) {
        // Which texts they are is nobody's business here.
        Some((field, ..)) => Err(format!("event_data has another {field} than the payload")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_differs_is_named_and_one_that_is_new_is_not_missed() {
        let payload = json!({ "step": 1, "tool": null, "new": 7 });
        assert_eq!(compare(&payload, &json!({ "step": 1, "tool": null })), Ok(()));
        let refused = compare(&payload, &json!({ "step": 2, "tool": null })).unwrap_err();
        assert!(refused.contains("another step"), "{refused}");
        assert!(compare(&payload, &json!([])).is_err());
    }
}
