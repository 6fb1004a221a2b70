//! What happened, as Rust values: typed ids, the envelope, and one type per domain event.
//!
//! It promises that a value of these types can be written in the Avro schema of the same name beside it
//! (`schemas/avro/<topic>/<Type>/<n>.avsc`) and read back unchanged; a test per type proves it.
//!
//! A new version of an event is a new file `<n>.avsc` whose additions are all optional, the same fields as `Option`s
//! in the Rust type, and `version <n> after 1 …` in the type's event set. The tests then say which example bytes
//! to commit beside it, and keep reading those of all older versions. A released file is never edited. Where the old
//! bytes would mean something else when read as the newest shape, the old shape stays as a type, and a pure function
//! lifts it ([`Upcast`]); [`prompt::PromptVersionAddedV1`] is an example.
//!
//! It knows nothing of Kafka, Postgres or the registry: those carry events, they do not define them.

mod digest;
mod envelope;
mod event_set;
pub mod execution;
mod ids;
pub mod prompt;
mod role;
mod sets;
mod timestamp;
mod units;
pub mod workflow;

#[doc(hidden)]
pub use serde as __serde;

pub use digest::{Digest, InvalidSum, Sum};
pub use envelope::{DomainEvent, EventType, Metadata, PersonalField, Recorded, Upcast};
pub use execution::ExecutionEvent;
pub use ids::{AggregateId, EventId, ExecutionId, InvalidTenant, PromptId, TenantId, WorkflowId};
pub use prompt::PromptEvent;
pub use role::AgentRole;
pub use timestamp::{InvalidTimestamp, Timestamp, iso8601};
pub use units::NanoUsd;
pub use workflow::WorkflowEvent;
