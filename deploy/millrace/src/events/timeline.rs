//! A history, one event a line.

use chrono::{DateTime, SecondsFormat, Utc};
use comfy_table::Table;
use event_store::StoredEvent;
use events::Timestamp;
use serde_json::Value;

/// Prints the events beside their payloads.
pub(super) fn print(history: &[StoredEvent], payloads: &[Value], json: bool) {
    let events = history.iter().zip(payloads);
    if json {
        events.for_each(|(event, data)| println!("{}", facts(event, data)));
        return;
    }
    let mut table = Table::new();
    table.set_header(["version", "occurred at", "recorded at", "actor", "type", "data"]);
    for (event, data) in events {
        table.add_row([
            event.version.to_string(),
            moment(event.occurred_at),
            moment(event.recorded_at),
            event.metadata.actor.clone().unwrap_or_default(),
            event.event_type.clone(),
            data.to_string(),
        ]);
    }
    println!("{table}");
}

/// All that is stored of an event.
pub(super) fn facts(event: &StoredEvent, data: &Value) -> Value {
    serde_json::json!({
        "tenant": event.tenant, "aggregate_type": event.aggregate_type, "aggregate_id": event.aggregate_id,
        "version": event.version, "event_id": event.event_id, "event_type": event.event_type,
        "occurred_at": moment(event.occurred_at), "recorded_at": moment(event.recorded_at),
        "position": event.position, "metadata": event.metadata, "data": data,
    })
}

/// RFC 3339 with microseconds, UTC.
pub(super) fn moment(time: Timestamp) -> String {
    DateTime::<Utc>::from_timestamp_micros(time.micros()).map_or_else(
        || format!("{} us", time.micros()),
        |time| time.to_rfc3339_opts(SecondsFormat::Micros, true),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_printed_to_the_microsecond() {
        let time = Timestamp::from_micros(1_763_511_278_000_001);
        assert_eq!(moment(time), "2025-11-19T00:14:38.000001Z");
    }
}
