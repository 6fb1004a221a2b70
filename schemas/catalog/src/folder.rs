//! Schemas as they lie in a folder: `<topic>/<Record>/<version>.avsc`, versions from 1.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wire::Registry;

use crate::{PublishError, Published, publish_history};

/// Why a folder of schemas was not published.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It cannot be read.
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
        version: usize,
    },
    /// There is no schema in it.
    #[error("{} has no schema; they lie at <topic>/<Record>/<version>.avsc", .0.display())]
    Empty(PathBuf),
    /// The registry did not take it.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// [`publish_history`] for every type that has its schemas below `folder`.
pub async fn publish_folder(registry: &Registry, folder: &Path) -> Result<Vec<Published>, FolderError> {
    let mut published = Vec::new();
    for (topic, types) in read(folder)? {
        let texts: Vec<(&str, Vec<&str>)> = types
            .iter()
            .map(|(name, texts)| (name.as_str(), texts.iter().map(String::as_str).collect()))
            .collect();
        let types = texts.iter().map(|(name, history)| (*name, history.as_slice()));
        published.extend(publish_history(registry, &topic, types).await?);
    }
    Ok(published)
}

type Types = BTreeMap<String, Vec<String>>;

/// Topics, their types, and the versions of each in order.
fn read(folder: &Path) -> Result<BTreeMap<String, Types>, FolderError> {
    let mut topics = BTreeMap::new();
    for topic in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        let mut types = Types::new();
        for record in entries(&topic)?.into_iter().filter(|path| path.is_dir()) {
            let texts = history(&record)?;
            if !texts.is_empty() {
                types.insert(name(&record), texts);
            }
        }
        if !types.is_empty() {
            topics.insert(name(&topic), types);
        }
    }
    if topics.is_empty() { Err(FolderError::Empty(folder.to_owned())) } else { Ok(topics) }
}

fn history(record: &Path) -> Result<Vec<String>, FolderError> {
    let is_schema = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "avsc");
    let count = entries(record)?.iter().filter(|path| is_schema(path)).count();
    let mut texts = Vec::with_capacity(count);
    for version in 1..=count {
        let path = record.join(format!("{version}.avsc"));
        if !path.exists() {
            return Err(FolderError::Gap { path: record.to_owned(), version });
        }
        texts
            .push(std::fs::read_to_string(&path).map_err(|source| FolderError::Unreadable { path, source })?);
    }
    Ok(texts)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    };
    read().map_err(|source| FolderError::Unreadable { path: folder.to_owned(), source })
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_domain_is_found_as_it_lies() {
        let found = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../avro")).unwrap();
        events::each_event_set!(E => {
            use events::DomainEvent;
            let expected = E::TYPES.iter().map(|it| (it.name.to_owned(), it.history.to_vec()));
            let expected: BTreeMap<_, _> = expected.collect();
            let found = found[E::TOPIC].iter().map(|(name, texts)| (name.clone(), texts.iter().map(String::as_str).collect()));
            assert_eq!(found.collect::<BTreeMap<_, Vec<_>>>(), expected);
        });
    }

    #[test]
    fn a_folder_without_a_schema_and_a_missing_version_are_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).unwrap_err().to_string().contains("has no schema"));
        let record = folder.path().join("shop.door.events/DoorOpened");
        std::fs::create_dir_all(&record).unwrap();
        std::fs::write(record.join("2.avsc"), "{}").unwrap();
        assert!(
            read(folder.path())
                .unwrap_err()
                .to_string()
                .ends_with("DoorOpened has no version 1, but later ones")
        );
        assert!(matches!(read(Path::new("/no/such")), Err(FolderError::Unreadable { .. })));
    }
}
