//! From a record to an event, or to the reason why not.

use std::error::Error;

use events::{DomainEvent, Recorded, Timestamp};
use wire::{Decode, DecodeError, Decoder, EventHeaders};

use crate::parking::Hints;
use crate::record::Record;

/// The event in a record, or why there is none.
pub(super) type Found<E> = Result<Box<Recorded<E>>, String>;

/// The event in a record. Outer error: the registry is in the way, wait. Inner: the record is none of ours.
pub(super) async fn event<E: DomainEvent>(
    decoder: &Decoder<E>,
    record: &Record,
) -> Result<Found<E>, DecodeError> {
    match parts(record) {
        Ok((headers, payload)) => found(record, headers, decoder.decode_loading(payload).await),
        Err(why) => Ok(Err(why)),
    }
}

/// The same, unless the registry has to be asked.
pub(super) fn event_at_once<E: DomainEvent>(decoder: &Decoder<E>, record: &Record) -> Option<Found<E>> {
    match parts(record) {
        Ok((headers, payload)) => found(record, headers, decoder.decode(payload)).ok(),
        Err(why) => Some(Err(why)),
    }
}

fn parts(record: &Record) -> Result<(EventHeaders<'_>, &[u8]), String> {
    let payload = record.payload.as_deref().ok_or("the record has no value")?;
    Ok((parse(record).map_err(|error| told(&error))?, payload))
}

fn found<E: DomainEvent>(
    record: &Record,
    headers: EventHeaders<'_>,
    decoded: Result<E, DecodeError>,
) -> Result<Found<E>, DecodeError> {
    match decoded {
        Ok(event) => {
            let recorded = headers.into_recorded(record.key.as_deref(), event);
            Ok(recorded.map(Box::new).map_err(|error| told(&error)))
        }
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
