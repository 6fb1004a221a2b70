//! Where master keys come from, and how long keys are remembered.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::{Error, KeyStore, Keyring, MasterKeys};

/// The master keys that wrap the keys of data subjects.
#[derive(Clone, Args)]
pub struct KeyringConfig {
    /// Master keys, one `<name>:<base64 of 32 bytes>` a line; the first wraps, the others only unwrap
    #[arg(
        long,
        env = "MILLRACE_MASTER_KEYS",
        hide_env_values = true,
        value_name = "KEYS",
        conflicts_with = "master_key_file"
    )]
    pub master_keys: Option<String>,

    /// File of the master keys, in the same form
    #[arg(long, env = "MILLRACE_MASTER_KEY_FILE", value_name = "FILE")]
    pub master_key_file: Option<PathBuf>,

    /// Longest time that a data subject's key is used without asking whether it was destroyed, in milliseconds
    #[arg(long, env = "MILLRACE_SUBJECT_KEY_MS_MAX", default_value_t = 30_000, value_name = "MS")]
    pub subject_key_ms_max: u64,
}

impl KeyringConfig {
    /// The master keys, if any are given.
    pub fn master_keys(&self) -> Result<Option<MasterKeys>, Error> {
        let text = match (&self.master_keys, &self.master_key_file) {
            (Some(text), _) => text.clone(),
            (None, Some(path)) => std::fs::read_to_string(path)
                .map_err(|source| Error::MasterKeyFile { path: path.clone(), source })?,
            (None, None) => return Ok(None),
        };
        MasterKeys::parse(&text).map(Some)
    }

    /// A keyring over a store of keys, if master keys are given.
    pub fn keyring(&self, keys: Arc<dyn KeyStore>) -> Result<Option<Keyring>, Error> {
        let stale_max = Duration::from_millis(self.subject_key_ms_max);
        Ok(self.master_keys()?.map(|master| Keyring::new(keys, master, stale_max)))
    }
}

impl fmt::Debug for KeyringConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyringConfig")
            .field("master_keys", &self.master_keys.as_ref().map(|_| format_args!("…")))
            .field("master_key_file", &self.master_key_file)
            .field("subject_key_ms_max", &self.subject_key_ms_max)
            .finish()
    }
}
