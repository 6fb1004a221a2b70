//! The keys of data subjects, as every part of this program uses them.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use event_store::{Connections, Keyring, KeyringConfig, PgSubjectKeys};
use personal_data::MasterKeys;

/// The keyring over the keys behind these connections; none where no master key is given, and then personal texts are
/// written as they are, and read as they are stored.
pub(crate) fn keyring(
    config: &KeyringConfig,
    connections: &Connections,
) -> anyhow::Result<Option<Arc<Keyring>>> {
    let keys = PgSubjectKeys::new(connections.clone());
    let keyring = config.keyring(Arc::new(keys)).context("the master keys cannot be used")?;
    Ok(keyring.map(Arc::new))
}

/// Where a stack keeps its master key. It is in no backup of the store: without it, personal texts there are unreadable.
pub(crate) fn master_key_file(stack: &local::Stack) -> PathBuf {
    stack.root().join("keys").join("master")
}

/// Makes a stack's master key, if it has none; only its owner may read it.
pub(crate) fn make_master_key(stack: &local::Stack) -> anyhow::Result<()> {
    let path = master_key_file(stack);
    let folder = path.parent().expect("it is in a folder of the stack");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
        Ok(mut file) => {
            let written = file.write_all(MasterKeys::new_line("first").as_bytes());
            written.and_then(|()| file.sync_all()).context("failed to write the master key")
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error).with_context(|| format!("failed to make {}", path.display())),
    }
}
