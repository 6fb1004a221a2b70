//! What a record says about its event, beside the event itself: CloudEvents attributes and ours, as text.

use events::{AggregateId, DomainEvent, EventId, Metadata, Recorded, TenantId, Timestamp};
use uuid::Uuid;

use crate::Fault;

/// The headers of an event's record, checked one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventHeaders<'a> {
    /// `ce_id`.
    pub event_id: EventId,
    /// `ce_type`: the event type's name.
    pub event_type: &'a str,
    /// `ce_source`: which part of the platform it comes from.
    pub source: &'a str,
    /// `ce_subject`: the aggregate.
    pub aggregate_id: AggregateId,
    /// `ce_time`: when it happened.
    pub occurred_at: Timestamp,
    /// `recordedtime`: when the store wrote it.
    pub recorded_at: Timestamp,
    /// `aggregateversion`: from 1, without a gap.
    pub version: u64,
    /// `tenant`.
    pub tenant: TenantId,
    /// `correlationid`.
    pub correlation_id: Option<&'a str>,
    /// `causationid`.
    pub causation_id: Option<&'a str>,
    /// `traceparent`, as it came.
    pub traceparent: Option<&'a str>,
}

/// Why a record's headers are not those of an event. None of these gets better by waiting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// It has to be there.
    #[error("header {0} is missing")]
    Missing(&'static str),
    /// It must not be there more than once.
    #[error("header {0} is there twice")]
    Twice(&'static str),
    /// Its value is not of its kind.
    #[error("header {name} is {value}, which is not {expected}")]
    Invalid {
        /// Which one.
        name: &'static str,
        /// Its value, escaped and cut to a readable length.
        value: String,
        /// What it has to be.
        expected: &'static str,
    },
    /// It contradicts the payload.
    #[error("{name} is {value}, but the payload says {payload}")]
    Contradiction {
        /// Which one.
        name: &'static str,
        /// What it says, escaped and cut to a readable length.
        value: String,
        /// What the payload says.
        payload: String,
    },
}

impl HeaderError {
    /// Always [`Fault::Poison`].
    pub fn fault(&self) -> Fault {
        Fault::Poison
    }
}

const NAMES: [&str; 12] = [
    "ce_specversion",
    "ce_id",
    "ce_type",
    "ce_source",
    "ce_subject",
    "ce_time",
    "recordedtime",
    "aggregateversion",
    "tenant",
    "correlationid",
    "causationid",
    "traceparent",
];

impl<'a> EventHeaders<'a> {
    /// Reads the headers of a record. Those it does not know are left alone; a header without a value is absent.
    pub fn parse<N: AsRef<[u8]>>(
        headers: impl IntoIterator<Item = (N, Option<&'a [u8]>)>,
    ) -> Result<Self, HeaderError> {
        let mut values = Values([None; NAMES.len()]);
        for (name, value) in headers {
            if let (Some(index), Some(value)) =
                (NAMES.iter().position(|known| known.as_bytes() == name.as_ref()), value)
                && values.0[index].replace(value).is_some()
            {
                return Err(HeaderError::Twice(NAMES[index]));
            }
        }
        if values.text("ce_specversion")? != "1.0" {
            return Err(values.invalid("ce_specversion", "1.0"));
        }
        Ok(Self {
            event_id: EventId(values.parsed("ce_id", "a UUID", uuid)?),
            event_type: values.text("ce_type")?,
            source: values.text("ce_source")?,
            aggregate_id: AggregateId(values.parsed("ce_subject", "a UUID", uuid)?),
            occurred_at: values.parsed("ce_time", "a UTC time of microseconds", |t| t.parse().ok())?,
            recorded_at: values.parsed("recordedtime", "a UTC time of microseconds", |t| t.parse().ok())?,
            version: values.parsed("aggregateversion", "a version from 1", version)?,
            tenant: values.parsed("tenant", "a tenant's name", |t| t.parse().ok())?,
            correlation_id: values.optional("correlationid")?,
            causation_id: values.optional("causationid")?,
            traceparent: values.optional("traceparent")?,
        })
    }

    /// What the connector writes beside an event. The actor stays in the store: headers name no people.
    pub fn of<E: DomainEvent>(event: &'a Recorded<E>, source: &'a str) -> Self {
        Self {
            event_id: event.event_id,
            event_type: event.payload.event_type(),
            source,
            aggregate_id: event.aggregate_id,
            occurred_at: event.payload.occurred_at(),
            recorded_at: event.recorded_at,
            version: event.version,
            tenant: event.tenant.clone(),
            correlation_id: event.metadata.correlation_id.as_deref(),
            causation_id: event.metadata.causation_id.as_deref(),
            traceparent: event.metadata.traceparent.as_deref(),
        }
    }

    /// Names and values as they stand on a record; absent ones are left out.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let optional = [self.correlation_id, self.causation_id, self.traceparent];
        let present = [
            "1.0".to_owned(),
            self.event_id.to_string(),
            self.event_type.to_owned(),
            self.source.to_owned(),
            self.aggregate_id.to_string(),
            self.occurred_at.to_string(),
            self.recorded_at.to_string(),
            self.version.to_string(),
            self.tenant.as_str().to_owned(),
        ];
        let values =
            present.into_iter().map(Some).chain(optional.into_iter().map(|text| text.map(str::to_owned)));
        NAMES.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// The event in its place, once headers, key and payload are known to speak of the same event.
    pub fn into_recorded<E: DomainEvent>(
        self,
        key: Option<&[u8]>,
        payload: E,
    ) -> Result<Recorded<E>, HeaderError> {
        let aggregate_id = payload.aggregate_id();
        let mut spelled = Uuid::encode_buffer();
        let spelled: &str = aggregate_id.0.hyphenated().encode_lower(&mut spelled);
        agree("the key", key.unwrap_or_default(), spelled)?;
        if self.aggregate_id != aggregate_id {
            agree("ce_subject", self.aggregate_id.to_string().as_bytes(), spelled)?;
        }
        agree("ce_type", self.event_type.as_bytes(), payload.event_type())?;
        if self.occurred_at != payload.occurred_at() {
            let (header, event) = (self.occurred_at.to_string(), payload.occurred_at().to_string());
            agree("ce_time", header.as_bytes(), &event)?;
        }
        Ok(Recorded {
            tenant: self.tenant,
            aggregate_id,
            version: self.version,
            event_id: self.event_id,
            recorded_at: self.recorded_at,
            metadata: Metadata {
                correlation_id: self.correlation_id.map(str::to_owned),
                causation_id: self.causation_id.map(str::to_owned),
                actor: None,
                traceparent: self.traceparent.map(str::to_owned),
            },
            payload,
        })
    }
}

/// The value of each of [`NAMES`].
struct Values<'a>([Option<&'a [u8]>; NAMES.len()]);

impl<'a> Values<'a> {
    fn get(&self, name: &'static str) -> Option<&'a [u8]> {
        NAMES.iter().position(|known| *known == name).and_then(|index| self.0[index])
    }

    fn text(&self, name: &'static str) -> Result<&'a str, HeaderError> {
        match self.optional(name)? {
            None => Err(HeaderError::Missing(name)),
            Some("") => Err(self.invalid(name, "a text")),
            Some(text) => Ok(text),
        }
    }

    /// Whatever the store accepted has to pass: these are somebody else's texts, of any length.
    fn optional(&self, name: &'static str) -> Result<Option<&'a str>, HeaderError> {
        let text = |value| std::str::from_utf8(value).map_err(|_| self.invalid(name, "UTF-8"));
        self.get(name).map(text).transpose()
    }

    fn parsed<T>(
        &self,
        name: &'static str,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, HeaderError> {
        parse(self.text(name)?).ok_or_else(|| self.invalid(name, expected))
    }

    fn invalid(&self, name: &'static str, expected: &'static str) -> HeaderError {
        HeaderError::Invalid { name, value: shown(self.get(name).unwrap_or_default()), expected }
    }
}

fn agree(name: &'static str, value: &[u8], payload: &str) -> Result<(), HeaderError> {
    if value == payload.as_bytes() {
        return Ok(());
    }
    Err(HeaderError::Contradiction { name, value: shown(value), payload: payload.to_owned() })
}

/// One id has one spelling.
fn uuid(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    (*id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == *text).then_some(id)
}

fn version(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    // The store counts in a signed 64-bit column.
    text.parse().ok().filter(|v| plain && i64::try_from(*v).is_ok())
}

/// A stranger's bytes in an error message: escaped, and cut.
fn shown(value: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(&value[..value.len().min(64)]).into_owned();
    if value.len() > 64 { format!("{text:?}…") } else { format!("{text:?}") }
}

#[cfg(test)]
mod tests;
