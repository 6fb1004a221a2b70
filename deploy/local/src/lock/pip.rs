//! Fetching with pip. Wheels only: nothing of them runs before the lock has judged them.

use std::fs;
use std::path::Path;

use tokio::process::Command;

use crate::process::run;
use crate::{Error, Result};

/// Downloads one wheel for a platform into `target`.
pub(super) async fn download(requirement: &str, platform: &str, target: &Path) -> Result<()> {
    fs::create_dir_all(target).map_err(Error::file("make", target))?;
    let mut pip = Command::new(python().await.unwrap_or("python3"));
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]);
    pip.args(["--progress-bar=off", "--platform", platform, "--dest"]).arg(target).arg(requirement);
    run(&mut pip, "").await.map(drop)
}

/// Unpacks a wheel, which is a zip file; Python reads those without more packages.
pub(super) async fn unpack(wheel: &Path, target: &Path) -> Result<()> {
    let mut zipfile = Command::new(python().await.unwrap_or("python3"));
    zipfile.args(["-m", "zipfile", "-e"]).arg(wheel).arg(target);
    run(&mut zipfile, "").await.map(drop)
}

/// A Python that has pip: the one of the caller's path, or Debian's.
pub(crate) async fn python() -> Option<&'static str> {
    for python in ["python3", "/usr/bin/python3"] {
        if run(Command::new(python).args(["-m", "pip", "--version"]), "").await.is_ok() {
            return Some(python);
        }
    }
    None
}
