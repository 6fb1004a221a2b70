//! A folder of files that belong together: the events, further tables, and a manifest that vouches for all of them.
//!
//! ```text
//! manifest.json        what is in the folder, and what each mebibyte of each file has to be
//! SHA256SUMS           the digest of every file, the manifest's too: `sha256sum --check SHA256SUMS`
//! events.avro          Avro object container, zstd, one record per event (schema/stored_event.avsc)
//! <table>.jsonl.zst    one row a line
//! ```
//!
//! It is written beside its place, flushed to the disk and renamed, so that it is there as a whole or not at all.

mod read;
mod write;

pub use read::{Events, Folder, Lines};
pub(crate) use write::NewFolder;

const MANIFEST: &str = "manifest.json";
const SUMS: &str = "SHA256SUMS";
/// How the name of a folder ends that is being written.
pub(crate) const PARTIAL: &str = ".partial";
pub(crate) const EVENTS: &str = "events.avro";

/// The file of a table's rows.
pub(crate) fn file_of(table: &str) -> String {
    format!("{table}.jsonl.zst")
}
