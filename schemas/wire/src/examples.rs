//! The committed examples, as events.

use std::path::Path;

use events::execution::ExecutionCancelled;
use events::{DomainEvent, EventType, ExecutionEvent, Timestamp};

/// The full example of every type.
pub(crate) fn examples() -> Vec<ExecutionEvent> {
    let topic = Path::new(env!("CARGO_MANIFEST_DIR")).join("../avro").join(ExecutionEvent::TOPIC);
    let example = |event_type: &EventType| {
        let name = event_type.name;
        let text = std::fs::read_to_string(topic.join(name).join("examples/full.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        ExecutionEvent::deserialize_record(name, event_type.version, json).unwrap().unwrap()
    };
    ExecutionEvent::TYPES.iter().map(example).collect()
}

/// A small one.
pub(crate) fn cancelled() -> ExecutionEvent {
    ExecutionCancelled {
        execution_id: "018f3f5e-0000-7000-8000-000000000001".parse().unwrap(),
        occurred_at: Timestamp::from_micros(1_795_232_779_124_788),
        reason: "no longer needed".into(),
        cancelled_by: Some("somebody".into()),
    }
    .into()
}
