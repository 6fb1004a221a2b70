//! What can go wrong with keys and sealed fields.

use std::path::PathBuf;

use crate::{KeyId, KeyStoreError};

/// Why a field was not sealed or not opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Master keys are lines of `<name>:<base64 of 32 bytes>`.
    #[error("line {line} of the master keys is not <name>:<base64 of 32 bytes>: {reason}")]
    MasterKey {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it; never the key.
        reason: &'static str,
    },
    /// There is no master key at all.
    #[error("no master key is given")]
    NoMasterKey,
    /// Their file cannot be read.
    #[error("the master keys were not read from {}", path.display())]
    MasterKeyFile {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A key was wrapped by a master key that this program was not given.
    #[error("key {key_id} is wrapped by master key {master:?}, which was not given")]
    UnknownMasterKey {
        /// The data subject's key.
        key_id: KeyId,
        /// The master key's name.
        master: String,
    },
    /// A wrapped key does not open: it was changed, or the master key of that name is another one.
    #[error(
        "key {key_id} does not open with master key {master:?}: another key of that name, or a damaged row"
    )]
    NotUnwrapped {
        /// The data subject's key.
        key_id: KeyId,
        /// The master key's name.
        master: String,
    },
    /// A sealed field names a key that the store does not have, and never said was destroyed.
    #[error("key {0} is not in the store; it was not destroyed there either")]
    UnknownKey(KeyId),
    /// A sealed field is not of the form that this program writes.
    #[error("the personal field {field} is sealed in a form that cannot be read")]
    Malformed {
        /// The field's name.
        field: String,
    },
    /// A sealed field does not open: it was changed, or it belongs to another event, field, aggregate or tenant.
    #[error(
        "the personal field {field} does not open with key {key_id}: it was changed, or moved from elsewhere"
    )]
    NotOpened {
        /// The field's name.
        field: String,
        /// The data subject's key.
        key_id: KeyId,
    },
    /// A field that is to be stored looks like one that is sealed already.
    #[error("the field {field} begins like a sealed one (enc:v1:), which no plain text may")]
    LooksSealed {
        /// The field's name.
        field: String,
    },
    /// The store of keys failed.
    #[error("the keys of data subjects could not be reached")]
    Store(#[from] KeyStoreError),
}

impl Error {
    /// Whether the same may succeed later with nobody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Store(error) if error.transient)
    }
}
