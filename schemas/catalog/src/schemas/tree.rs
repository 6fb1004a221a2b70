//! Schemas as they lie in a folder: `<topic>/<Record>/<version>.avsc`, versions from 1.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A folder of schemas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Where it is.
    pub folder: PathBuf,
    /// Its topics, and the types of each by name.
    pub topics: BTreeMap<String, BTreeMap<String, Record>>,
}

/// All versions of one type, from 1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record(pub Vec<SchemaFile>);

/// One version of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaFile {
    /// Which version, from 1.
    pub version: u32,
    /// Where it is, below the tree's folder.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// Why a folder of schemas cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The file system says no.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The folder or file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A version is missing.
    #[error("{} has no version {version}, but later ones", path.display())]
    Gap {
        /// The folder of one type.
        path: PathBuf,
        /// The first that is missing.
        version: u32,
    },
    /// There is no schema in it.
    #[error("{} has no schema; they lie at <topic>/<Record>/<version>.avsc", .0.display())]
    Empty(PathBuf),
}

impl Record {
    /// The texts of all versions, oldest first.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|file| file.text.as_str())
    }
}

impl Tree {
    /// Reads a folder.
    pub fn read(folder: &Path) -> Result<Self, TreeError> {
        let mut topics = BTreeMap::new();
        for topic in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
            let mut types = BTreeMap::new();
            for record in entries(&topic)?.into_iter().filter(|path| path.is_dir()) {
                let versions = versions(folder, &record)?;
                if !versions.0.is_empty() {
                    types.insert(name(&record), versions);
                }
            }
            if !types.is_empty() {
                topics.insert(name(&topic), types);
            }
        }
        if topics.is_empty() {
            return Err(TreeError::Empty(folder.to_owned()));
        }
        Ok(Self { folder: folder.to_owned(), topics })
    }

    /// Every type: its topic, its name, its versions.
    pub fn records(&self) -> impl Iterator<Item = (&str, &str, &Record)> {
        self.topics.iter().flat_map(|(topic, types)| {
            types.iter().map(move |(name, record)| (topic.as_str(), name.as_str(), record))
        })
    }
}

fn versions(root: &Path, folder: &Path) -> Result<Record, TreeError> {
    let is_schema = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "avsc");
    let count = entries(folder)?.iter().filter(|path| is_schema(path)).count();
    let mut files = Vec::with_capacity(count);
    for version in (1..).take(count) {
        let path = folder.join(format!("{version}.avsc"));
        if !path.exists() {
            return Err(TreeError::Gap { path: folder.to_owned(), version });
        }
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|source| TreeError::Unreadable { path: path.clone(), source })?;
        let below = path.strip_prefix(root).unwrap_or(&path);
        files.push(SchemaFile { version, path: below.display().to_string(), text });
    }
    Ok(Record(files))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, TreeError> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    };
    read().map_err(|source| TreeError::Unreadable { path: folder.to_owned(), source })
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_domain_is_found_as_it_lies() {
        let found = Tree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../avro")).unwrap();
        events::each_event_set!(E => {
            use events::DomainEvent;
            let expected: BTreeMap<_, _> = E::TYPES.iter().map(|it| (it.name, it.history.to_vec())).collect();
            let found = found.topics[E::TOPIC].iter().map(|(name, it)| (name.as_str(), it.texts().collect()));
            assert_eq!(found.collect::<BTreeMap<_, Vec<_>>>(), expected);
        });
    }

    #[test]
    fn a_folder_without_a_schema_and_a_missing_version_are_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Tree::read(folder.path()).unwrap_err().to_string().contains("has no schema"));
        let record = folder.path().join("shop.door.events/DoorOpened");
        std::fs::create_dir_all(&record).unwrap();
        std::fs::write(record.join("2.avsc"), "{}").unwrap();
        let gap = Tree::read(folder.path()).unwrap_err().to_string();
        assert!(gap.ends_with("DoorOpened has no version 1, but later ones"), "{gap}");
        assert!(matches!(Tree::read(Path::new("/no/such")), Err(TreeError::Unreadable { .. })));
    }
}
