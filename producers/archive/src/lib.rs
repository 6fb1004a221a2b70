//! The event store as files: backups of all of it, and archives of streams that left it.
//!
//! A [`Folder`] holds events with every column untouched (an Avro object container, zstd), further tables as JSON
//! lines, and a manifest that says what each mebibyte of each file has to be, whose events there are, and the schemas
//! they were written with: a folder can be read when neither the database nor the registry is left.
//!
//! It promises
//!
//! - that a folder is there as a whole or not at all, and that no byte of it is used before it was found to be as
//!   written: a file that was cut, changed or exchanged is refused by name and place;
//! - that a backup is one moment of the store, taken while appends go on, in memory that does not grow with the number
//!   of events ([`backup`]);
//! - that a restore brings back the same events at the same positions, publishes none of them again, and commits only
//!   what it has compared with the manifest ([`restore`]);
//! - that events leave the store only after the archive that has them was read back, and come back exactly as they left
//!   ([`archive_streams`], [`restore_streams`]); meanwhile [`ArchivedEvents`] reads them where they are.
//!
//! It does not know Kafka: what a topic has beyond the store is found by the `ledger` and brought back by [`bring_back`].
//!
//! ```no_run
//! # async fn example(auditor: &mut sqlx::PgConnection, registry: &wire::Registry) -> Result<(), archive::Error> {
//! let folder = archive::backup(auditor, registry, "backups/monday".as_ref(), "millrace 0.1", |_| {}).await?;
//! let events = folder.verify(|_| {})?.events;
//! println!("{events} events, digest {}", folder.manifest.digest);
//! # Ok(())
//! # }
//! ```

mod archived;
mod backup;
mod copy_out;
mod error;
mod folder;
mod manifest;
mod pieces;
mod restoration;
mod restore;
mod row;
mod streams;
mod tables;
mod tally;

pub use archived::{ArchivedEvents, ReadError};
pub use backup::backup;
pub use error::Error;
pub use folder::{Events, Folder, Lines};
pub use manifest::{DatabaseFacts, FORMAT, FileFacts, Kind, Manifest, SlotFacts, Table};
pub use restoration::{LostKey, bring_back, publish_again};
pub use restore::restore;
pub use row::EventRow;
pub use streams::{ArchiveState, Listed, Wanted, archive_streams, list, restore_streams};
pub use tally::{Stream, Tally};
