//! Files that hold secrets or state: made private, replaced at once.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown};
use std::path::Path;

use crate::process::Account;
use crate::{Error, Result};

/// Makes a folder and what is missing above it.
pub(crate) fn make_folder(path: &Path, mode: u32) -> Result<()> {
    DirBuilder::new().recursive(true).mode(mode).create(path).map_err(Error::file("make", path))
}

/// Writes a file that its owner alone may read; a reader sees the old content or the new, never a part.
pub(crate) fn write_private(path: &Path, content: &str) -> Result<()> {
    let staged = path.with_extension("new");
    let write = || {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        fs::rename(&staged, path)
    };
    write().map_err(Error::file("write", path))
}

/// Hands a file or folder to the account that a server runs under.
pub(crate) fn give(path: &Path, to: Option<&Account>) -> Result<()> {
    match to {
        Some(account) => chown(path, Some(account.uid), Some(account.gid))
            .map_err(Error::file("change the owner of", path)),
        None => Ok(()),
    }
}

/// The last `count` lines that a text file has after `from`; nothing when it cannot be read.
pub(crate) fn last_lines(path: &Path, from: u64, count: usize) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let from = usize::try_from(from).unwrap_or(0);
    let text = String::from_utf8_lossy(bytes.get(from..).unwrap_or(&bytes));
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// How long a file is; nothing when there is none.
pub(crate) fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |meta| meta.len())
}
