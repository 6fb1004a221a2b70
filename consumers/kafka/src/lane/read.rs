//! From a record to an event, or to the reason why not.

use std::error::Error;

use events::{DomainEvent, Recorded, Timestamp};
use wire::{DecodeError, Decoder, EventHeaders};

use crate::parking::Hints;
use crate::record::Record;

/// The event in a record. Outer error: the registry is in the way, wait. Inner: the record is none of ours.
pub(super) async fn event<E: DomainEvent>(
    decoder: &Decoder<E>,
    record: &Record,
) -> Result<Result<Recorded<E>, String>, DecodeError> {
    let Some(payload) = record.payload.as_deref() else {
        return Ok(Err("the record has no value".to_owned()));
    };
    let headers = match parse(record) {
        Ok(headers) => headers,
        Err(error) => return Ok(Err(told(&error))),
    };
    match decoder.decode_loading(payload).await {
        Ok(event) => Ok(headers.into_recorded(record.key.as_deref(), event).map_err(|error| told(&error))),
        Err(error) if error.fault() == wire::Fault::Transient => Err(error),
        Err(error) => Ok(Err(told(&error))),
    }
}

/// What single headers say, for a record that is not an event as a whole.
pub(super) fn hints(record: &Record) -> Hints {
    let text = |name| record.header(name).and_then(|value| std::str::from_utf8(value).ok());
    Hints {
        tenant: text("tenant").and_then(|t| t.parse().ok()),
        aggregate_id: text("ce_subject").and_then(|t| t.parse().ok()),
        version: text("aggregateversion").and_then(|t| t.parse().ok()).filter(|v| i64::try_from(*v).is_ok()),
        event_id: text("ce_id").and_then(|t| t.parse().ok()),
        event_type: text("ce_type").map(|t| t.chars().take(200).collect()),
    }
}

/// When the record's event happened and was recorded, as far as that can be told.
pub(super) fn times(record: &Record) -> (Timestamp, Timestamp) {
    let written = Timestamp::from_micros(record.timestamp_ms.unwrap_or_default().saturating_mul(1_000));
    parse(record).map_or((written, written), |headers| (headers.occurred_at, headers.recorded_at))
}

fn parse(record: &Record) -> Result<EventHeaders<'_>, wire::HeaderError> {
    EventHeaders::parse(record.headers.bytes())
}

/// An error with its causes, in one line.
pub(crate) fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
