//! One event, with all that is stored of it.

use comfy_table::Table;
use event_store::StoredEvent;
use serde_json::Value;

use super::timeline::{facts, moment};

/// Prints an event beside its payload.
pub(super) fn print(event: &StoredEvent, payload: &Value, json: bool) {
    if json {
        println!("{}", facts(event, payload));
        return;
    }
    let mut table = Table::new();
    let metadata = &event.metadata;
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let schema = wire::schema_id(&event.payload).map_or_else(|| "-".to_owned(), |id| id.to_string());
    for (name, value) in [
        ("aggregate", format!("{} {}", event.aggregate_type, event.aggregate_id)),
        ("version", event.version.to_string()),
        ("position", event.position.to_string()),
        ("event", event.event_id.to_string()),
        ("type", event.event_type.clone()),
        ("occurred at", moment(event.occurred_at)),
        ("recorded at", moment(event.recorded_at)),
        ("correlation", or_none(&metadata.correlation_id)),
        ("causation", or_none(&metadata.causation_id)),
        ("actor", or_none(&metadata.actor)),
        ("traceparent", or_none(&metadata.traceparent)),
        ("transaction", event.transaction_id.to_string()),
        ("payload", format!("{} bytes by schema {schema}", event.payload.len())),
    ] {
        table.add_row([name.to_owned(), value]);
    }
    for (field, value) in payload.as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        table.add_row([format!("  {field}"), value]);
    }
    println!("{table}");
}
