//! Payloads as people read them, whatever domain they are of.

use serde::Deserialize;
use serde_json::Value;

use crate::decoder::{bounded, bounded_state, not_fetched, whole};
use crate::{DecodeError, Registry, framing};

/// What a payload says, as JSON with the fields and units of the schema it was written with; within the bounds of a decoder.
pub async fn to_json(registry: &Registry, payload: &[u8]) -> Result<Value, DecodeError> {
    let (id, datum) = framing::split(payload)?;
    let schema = registry.schema(id).await.map_err(|error| not_fetched(id, error))?;
    let (event_type, mut state) = ("record", bounded_state(&schema, datum));
    let value = Value::deserialize(state.deserializer()).map_err(|e| DecodeError::Datum {
        id,
        event_type,
        reason: bounded(&e.to_string()),
    })?;
    whole(value, state, event_type)
}
