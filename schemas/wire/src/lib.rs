//! How an event travels: Avro in Confluent framing, CloudEvents headers, and the registry that knows the schemas.
//!
//! It promises that what [`Encoder`] writes, [`Decoder`] reads back as the same value, and that bytes which are not
//! exactly one event of the expected set are refused with a reason: never half-read, never null-filled, never a
//! panic, never more memory than the payload itself. A registry that is down, slow or wrong is told apart from a
//! payload that is bad ([`Fault`]): the first is waited for, the second never gets better.
//!
//! It does not know Kafka's client, Postgres or any domain: it carries every [`events::DomainEvent`] alike.
//!
//! ```
//! use events::ExecutionEvent;
//! use wire::{Decode, Decoder, Encoder};
//!
//! # fn event() -> ExecutionEvent {
//! #     ExecutionEvent::Cancelled(events::execution::ExecutionCancelled {
//! #         execution_id: "018f3f5e-0000-7000-8000-000000000001".parse().unwrap(),
//! #         occurred_at: events::Timestamp::from_micros(0),
//! #         reason: "no longer needed".into(),
//! #         cancelled_by: None,
//! #     })
//! # }
//! // Against a registry: Encoder::prepare(&registry).await? and Decoder::new(registry).
//! let encoder = Encoder::<ExecutionEvent>::with_ids(100)?;
//! let decoder = encoder.decoder();
//! let payload = encoder.encode(&event())?;
//! assert_eq!(payload[..4], [0, 0, 0, 0]);
//! assert_eq!(decoder.decode(&payload)?, event());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod decoder;
mod encoder;
mod fault;
mod framing;
mod headers;
mod readable;
mod registry;
mod schema;
mod subject;

pub use decoder::{Decode, DecodeError, Decoder};
pub use encoder::{EncodeError, Encoder, PrepareError};
pub use fault::Fault;
pub use framing::{PAYLOAD_BYTES_MAX, schema_id};
pub use headers::{EventHeaders, HeaderError};
pub use readable::to_json;
pub use registry::{Compatibility, Registered, Registry, RegistryConfig, RegistryError};
pub use schema::{SchemaError, WriterSchema};
pub use subject::subject;

#[cfg(test)]
mod examples;
