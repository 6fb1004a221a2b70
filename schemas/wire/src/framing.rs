//! Confluent wire format: a zero byte, the schema's id as four bytes big-endian, the datum.

use crate::DecodeError;

const MAGIC: u8 = 0;
const PREFIX_BYTES: usize = 5;

/// No event is longer, framing included: half of Kafka's default `max.message.bytes`, which leaves room for headers
/// and batch overhead. An event that could be stored but not published would stop the connector.
pub const PAYLOAD_BYTES_MAX: usize = 512 * 1024;

/// Begins a payload; the datum follows.
pub(crate) fn prefix(id: u32) -> Vec<u8> {
    let mut payload = Vec::with_capacity(256);
    payload.push(MAGIC);
    payload.extend_from_slice(&id.to_be_bytes());
    payload
}

/// Splits a payload into the schema's id and the datum.
pub(crate) fn split(payload: &[u8]) -> Result<(u32, &[u8]), DecodeError> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(DecodeError::TooLong { bytes: payload.len() });
    }
    match payload.first() {
        Some(&MAGIC) => {}
        Some(&other) => return Err(DecodeError::Magic(other)),
        None => return Err(DecodeError::TooShort { bytes: 0 }),
    }
    let (prefix, datum) =
        payload.split_first_chunk::<PREFIX_BYTES>().ok_or(DecodeError::TooShort { bytes: payload.len() })?;
    let &[_, a, b, c, d] = prefix;
    Ok((u32::from_be_bytes([a, b, c, d]), datum))
}

/// The id of the schema a payload says it was written with; `None` if it is not framed.
pub fn schema_id(payload: &[u8]) -> Option<u32> {
    split(payload).ok().map(|(id, _)| id)
}
