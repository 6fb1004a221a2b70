//! What was released stays as it was: `frozen.sha256` in the folder of schemas names every released file with its digest,
//! as `sha256sum` writes it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::finding::{Finding, Rule};
use super::tree::Tree;

/// The file with the digests.
const FILE: &str = "frozen.sha256";

/// Files that are released together with a schema: bytes of examples, and what old ones read as.
const ENDS: [&str; 3] = [".avsc", ".hex", ".upcast.json"];

/// The digests of what was released, by path below the folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frozen {
    released: BTreeMap<String, String>,
    /// Those of the files as they are now.
    present: BTreeMap<String, String>,
}

/// Why digests cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    /// The file system says no.
    #[error("{} cannot be read or written", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A line that is no digest and path.
    #[error("line {line} of {FILE} is not \"<sha256>  <path>\"")]
    Line {
        /// Which, from 1.
        line: usize,
    },
}

impl Frozen {
    /// Reads what was released, and the files as they are now. A folder without digests has released nothing.
    pub fn read(folder: &Path) -> Result<Self, FreezeError> {
        let path = folder.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text.map_err(|source| FreezeError::File { path, source })?,
        };
        let mut released = BTreeMap::new();
        for (line, text) in (1..).zip(text.lines()) {
            let (digest, path) = text.split_once("  ").ok_or(FreezeError::Line { line })?;
            if digest.len() != 64 || path.is_empty() {
                return Err(FreezeError::Line { line });
            }
            released.insert(path.to_owned(), digest.to_owned());
        }
        let mut present = BTreeMap::new();
        collect(folder, folder, &mut present)?;
        Ok(Self { released, present })
    }

    /// Released files that are gone or changed, and files that are not released yet.
    pub(super) fn findings(&self, tree: &Tree) -> Vec<Finding> {
        let finding = |file: &str, what: &str, fix: String| Finding {
            file: file.to_owned(),
            line: 1,
            rule: Rule::Frozen,
            what: what.to_owned(),
            fix,
        };
        let mut found = vec![];
        for (path, digest) in &self.released {
            match self.present.get(path) {
                Some(now) if now == digest => {}
                Some(_) => {
                    found.push(finding(path, "it was released, and is changed", next_version(tree, path)))
                }
                None => found.push(finding(path, "it was released, and is gone", "bring it back".to_owned())),
            }
        }
        for path in self.present.keys().filter(|path| !self.released.contains_key(*path)) {
            let fix = "once it is as it shall stay, `millrace schema freeze` notes its digest".to_owned();
            found.push(finding(path, "it is not frozen yet", fix));
        }
        found
    }
}

fn next_version(tree: &Tree, path: &str) -> String {
    let record = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let known = tree.records().find(|(topic, name, _)| format!("{topic}/{name}") == record);
    match known {
        Some((.., versions)) => {
            format!(
                "bring it back as it was, and write the change into {record}/{}.avsc",
                versions.0.len() + 1
            )
        }
        None => "bring it back as it was".to_owned(),
    }
}

/// Adds what is not frozen yet and answers with it; nothing that is released is changed.
pub fn freeze(folder: &Path) -> Result<Vec<String>, FreezeError> {
    let Frozen { mut released, present } = Frozen::read(folder)?;
    let mut added = vec![];
    for (path, digest) in present {
        if !released.contains_key(&path) {
            released.insert(path.clone(), digest);
            added.push(path);
        }
    }
    let path = folder.join(FILE);
    let text: String = released.iter().map(|(path, digest)| format!("{digest}  {path}\n")).collect();
    std::fs::write(&path, text).map_err(|source| FreezeError::File { path, source })?;
    Ok(added)
}

fn collect(root: &Path, folder: &Path, digests: &mut BTreeMap<String, String>) -> Result<(), FreezeError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| FreezeError::File { path, source }
    };
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        if path.is_dir() {
            collect(root, &path, digests)?;
        } else if ENDS.iter().any(|end| path.to_string_lossy().ends_with(end)) {
            let bytes = std::fs::read(&path).map_err(failed(&path))?;
            let digest = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            digests.insert(path.strip_prefix(root).unwrap_or(&path).display().to_string(), digest);
        }
    }
    Ok(())
}
