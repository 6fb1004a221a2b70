//! Payloads as people read them, whatever domain they are of.

use serde_avro_fast::from_datum_slice;
use serde_json::Value;

use crate::decoder::not_fetched;
use crate::{DecodeError, Registry, framing};

/// What a payload says, as JSON with the fields and units of the schema it was written with.
pub async fn to_json(registry: &Registry, payload: &[u8]) -> Result<Value, DecodeError> {
    let (id, datum) = framing::split(payload)?;
    let schema = registry.schema(id).await.map_err(|error| not_fetched(id, error))?;
    from_datum_slice(datum, schema.compiled()).map_err(|error| DecodeError::Datum {
        id,
        event_type: "record",
        reason: error.to_string(),
    })
}
