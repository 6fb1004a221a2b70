//! Where events are kept: appended with an expected version, never changed, read back whole or as of a moment.
//!
//! Two stores stand behind [`EventStore`]: [`PgEventStore`], and [`InMemoryEventStore`] for tests that need no disk. One
//! suite of tests holds both to the same promises:
//!
//! - an append is all or nothing over every aggregate it names, and takes one round trip;
//! - versions of an aggregate are 1, 2, 3 … without a gap, whoever else appends at the same time;
//! - a lost race is an answer ([`AppendError::Conflict`]) that carries the events in between;
//! - an event id is stored once, so an append whose outcome is unknown can be repeated as it is;
//! - a command that carries an [`IdempotencyKey`] is carried out once; its copies get the same answer;
//! - a tenant sees its own events; another tenant's aggregate answers like an unknown one.
//!
//! [`Repository`] brings a domain to a store: the one way from a command to its events. The stores themselves know no
//! domain, nor Kafka, nor what an outbox is for; the database fills that by itself.

mod append;
mod codec;
mod config;
mod deed;
mod error;
mod filter;
mod idempotency;
mod in_memory;
mod postgres;
mod pruned;
mod repository;
mod snapshot;
mod store;
mod stored_event;
mod wakeups;

pub use append::{Append, Appended, AppendedTo, EVENTS_MAX, Expected, NewEvent};
pub use codec::{Codec, CodecError, NewEventError};
pub use config::{AuditConfig, Config, SnapshotArgs};
pub use deed::Deed;
pub use error::{AppendError, Conflict, Invalid, StoreError};
pub use filter::{Filter, Slice};
pub use idempotency::{IdempotencyKey, InvalidKey};
pub use in_memory::InMemoryEventStore;
pub use personal_data::{ERASED, Keyring, KeyringConfig, Place, SubjectId};
pub use postgres::{
    AppenderWatch, Checkpoint, CheckpointMoved, Connections, Histories, MigrateError, OpenAppender,
    PgEventLog, PgEventStore, PgSubjectKeys, SnapshotKeeper, Usage, expire_commands, migrate,
};
pub use pruned::PrunedRange;
pub use repository::{
    Context, Draft, ExecuteError, Executed, NotDrafted, Repository, SnapshotError, StateError,
};
pub use snapshot::{FromSnapshot, SnapshotConfig, SnapshotFacts, SnapshotTotals};
pub use snapshots::{Ignored, Metrics as SnapshotMetrics, Policy as SnapshotPolicy, Sealed};
pub use store::{EventLog, EventStore, Until};
pub use stored_event::StoredEvent;
pub use wakeups::{Wakeups, Woken};
