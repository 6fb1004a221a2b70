use std::path::Path;

use nix::sys::statvfs::statvfs;

use crate::{Error, Result};

const MIB: u64 = 1 << 20;

/// The bytes that this user may still write where `path` is.
pub(crate) fn free(path: &Path) -> Result<u64> {
    let disk = statvfs(path).map_err(|error| Error::file("ask for the free space of", path)(error.into()))?;
    Ok(disk.blocks_available() * disk.fragment_size())
}

/// An error when there is less room than needed.
pub(crate) fn require(path: &Path, needed: u64, purpose: &'static str) -> Result<()> {
    let free = free(path)?;
    if free >= needed {
        return Ok(());
    }
    Err(Error::DiskFull {
        path: path.to_owned(),
        free_mib: free / MIB,
        needed_mib: needed.div_ceil(MIB),
        purpose,
    })
}
