//! What a folder says about its files, so that they can be judged, and read when nothing else is left.

use std::collections::BTreeMap;

use events::Sum;
use serde::{Deserialize, Serialize};

use crate::tally::{Stream, sum_as_text};

/// The version of the folder's layout that this program writes, and the only one it reads.
pub const FORMAT: u32 = 1;

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this layout.
    pub format: u32,
    /// What the folder is.
    pub kind: Kind,
    /// The program that wrote it.
    pub made_by: String,
    /// When, by the database's clock.
    pub made_at: String,
    /// How many events there are.
    pub events: u64,
    /// First and last position among them.
    pub positions: Option<(i64, i64)>,
    /// Sum over them.
    #[serde(with = "sum_as_text")]
    pub digest: Sum,
    /// Whose events, of which versions.
    pub streams: Vec<Stream>,
    /// The schemas that payloads were written with, by their ids in the registry.
    pub schemas: BTreeMap<u32, String>,
    /// The other tables, in the order in which they can be filled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<Table>,
    /// The database at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseFacts>,
    /// The files, so that each can be checked piece by piece.
    pub files: Vec<FileFacts>,
}

/// What a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The whole store.
    Backup,
    /// Streams that left the store.
    Archive,
}

impl Kind {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Backup => "a backup",
            Self::Archive => "an archive",
        }
    }
}

/// A table beside the events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// How many rows.
    pub rows: u64,
}

/// What was true of the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseFacts {
    /// Its name.
    pub name: String,
    /// The server's version.
    pub server: String,
    /// Where its log was.
    pub lsn: String,
    /// The last position that was given out, also to appends that came to nothing.
    pub last_position: i64,
    /// The replication slot, which no backup holds.
    pub slot: Option<SlotFacts>,
    /// The migrations that it had: `<table>/<version>` and the checksum.
    pub migrations: BTreeMap<String, String>,
}

/// What was true of the slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlotFacts {
    /// Its name.
    pub name: String,
    /// Up to where its reader had everything.
    pub confirmed_flush_lsn: Option<String>,
    /// Log that was kept because of it, in bytes.
    pub retained_bytes: Option<i64>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileFacts {
    /// Its name in the folder.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of all of it.
    pub sha256: String,
    /// SHA-256 of each mebibyte.
    pub pieces: Vec<String>,
}
