use std::fs;
use std::path::{Path, PathBuf};

use super::maven::{self, Coordinate, coordinate_of};
use super::{Artifact, Lock, Wanted, pip, sha256, wanted};
use crate::packages::{self, Package};
use crate::progress::Progress;
use crate::{Error, Result};

/// Resolves what `artifacts.toml` wants, fetches all of it anew, and writes the lock file: its own checksums, not
/// those that anybody claims.
pub async fn renew(lock_file: &Path) -> Result<Lock> {
    let progress = Progress::new();
    packages::require(&[Package::Maven, Package::Pip], &progress).await?;
    let staging = tempfile::tempdir().map_err(Error::file("make", &std::env::temp_dir()))?;
    let mut artifacts = Vec::new();
    for (part, wanted) in wanted() {
        let step = progress.step(&part, "resolving");
        let found = resolve(&part, &wanted, &staging.path().join(&part)).await?;
        step.done(&format!("{} files", found.len()));
        artifacts.extend(found);
    }
    artifacts.sort();
    let lock = Lock { artifacts };
    fs::write(lock_file, lock.text()).map_err(Error::file("write", lock_file))?;
    Ok(lock)
}

async fn resolve(part: &str, wanted: &Wanted, staging: &Path) -> Result<Vec<Artifact>> {
    let mut found = Vec::new();
    let target = staging.join("files");
    let coordinates: Vec<Coordinate<'_>> =
        wanted.maven.iter().map(|coordinate| Coordinate::parse(coordinate)).collect::<Result<_>>()?;
    if wanted.transitive {
        maven::copy_with_dependencies(&coordinates, &staging.join("maven"), &target).await?;
        let is_jar = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "jar"); // Maven adds notes
        for path in files_below(&target)?.into_iter().filter(is_jar) {
            let relative = path.strip_prefix(&target).unwrap_or(&path);
            let unknown =
                || Error::Damaged { path: path.clone(), what: "not laid out like a repository".to_owned() };
            let coordinate = coordinate_of(relative).ok_or_else(unknown)?;
            found.push(artifact(part, coordinate, None, &path)?);
        }
    } else {
        for (text, coordinate) in wanted.maven.iter().zip(&coordinates) {
            maven::copy(std::slice::from_ref(coordinate), &staging.join("maven"), &target).await?;
            found.push(artifact(part, text.clone(), None, &only_file(&target)?)?);
        }
    }
    for (requirement, platform) in
        wanted.pip.iter().flat_map(|name| wanted.platforms.iter().map(move |p| (name, p)))
    {
        let target = staging.join(platform);
        pip::download(requirement, platform, &target).await?;
        found.push(artifact(part, requirement.clone(), Some(platform.clone()), &only_file(&target)?)?);
    }
    Ok(found)
}

fn artifact(part: &str, coordinate: String, platform: Option<String>, path: &Path) -> Result<Artifact> {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let size = fs::metadata(path).map_err(Error::file("read", path))?.len();
    Ok(Artifact { part: part.to_owned(), coordinate, platform, file, size, sha256: sha256(path)? })
}

fn only_file(folder: &Path) -> Result<PathBuf> {
    let mut files = files_below(folder)?;
    match (files.pop(), files.pop()) {
        (Some(file), None) => Ok(file),
        _ => Err(Error::Damaged { path: folder.to_owned(), what: "one file was expected".to_owned() }),
    }
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::file("read", folder))?.flatten() {
        if entry.path().is_dir() {
            files.extend(files_below(&entry.path())?);
        } else {
            files.push(entry.path());
        }
    }
    Ok(files)
}
