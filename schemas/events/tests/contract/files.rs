//! What lies under `schemas/avro`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use events::{DomainEvent, EventType, each_event_set};
use sha2::{Digest, Sha256};

pub(crate) fn avro() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../avro")
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

pub(crate) fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Every event type with its topic.
pub(crate) fn types() -> Vec<(&'static str, &'static EventType)> {
    let mut types = Vec::new();
    each_event_set!(E => { types.extend(E::TYPES.iter().map(|t| (E::TOPIC, t))) });
    types
}

#[test]
fn each_folder_is_an_event_type_and_each_type_has_its_folder() {
    let (mut topics, mut folders) = (BTreeSet::from(["frozen.sha256".to_owned()]), BTreeSet::new());
    for (topic, event_type) in types() {
        topics.insert(topic.to_owned());
        folders.insert(format!("{topic}/{}", event_type.name));
    }
    assert_eq!(names(&avro()), topics);
    let found = topics
        .iter()
        .filter(|topic| avro().join(topic).is_dir())
        .flat_map(|topic| names(&avro().join(topic)).into_iter().map(move |name| format!("{topic}/{name}")));
    assert_eq!(found.collect::<BTreeSet<_>>(), folders);
}

#[test]
fn versions_count_from_one_without_a_gap_and_the_code_knows_them_all() {
    for (topic, event_type) in types() {
        let folder = avro().join(topic).join(event_type.name);
        let mut expected: BTreeSet<_> = (1..=event_type.version).map(|n| format!("{n}.avsc")).collect();
        expected.insert("examples".to_owned());
        assert_eq!(names(&folder), expected, "{}", event_type.name);
        let texts: Vec<_> =
            (1..=event_type.version).map(|n| read(&folder.join(format!("{n}.avsc")))).collect();
        assert_eq!(event_type.history, texts, "{}", event_type.name);
        assert_eq!(event_type.history.last(), Some(&event_type.schema));
    }
}

/// What was released once stays as it was: `frozen.sha256` names every schema, every datum of every version, and what
/// each datum of a lifted version reads as today, with its digest. Whoever adds one adds its line; nobody ever changes or removes one, but that a
/// new lifting says the answers anew in its shape.
#[test]
fn what_was_released_is_still_there_and_unchanged() {
    let mut found = BTreeSet::new();
    for (topic, event_type) in types() {
        let folder = format!("{topic}/{}", event_type.name);
        let examples = format!("{folder}/examples");
        for (of, ends) in [(&folder, ".avsc"), (&examples, ".hex"), (&examples, ".upcast.json")] {
            for name in names(&avro().join(of)).into_iter().filter(|name| name.ends_with(ends)) {
                let path = format!("{of}/{name}");
                let digest = Sha256::digest(read(&avro().join(&path)));
                let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                found.insert(format!("{digest}  {path}"));
            }
        }
    }
    let frozen: BTreeSet<_> = read(&avro().join("frozen.sha256")).lines().map(str::to_owned).collect();
    let gone: Vec<_> = frozen.difference(&found).collect();
    assert!(gone.is_empty(), "released, and now changed or gone: {gone:#?}");
    let new: Vec<_> = found.difference(&frozen).map(String::as_str).collect();
    assert!(new.is_empty(), "not frozen yet; add to schemas/avro/frozen.sha256:\n{}", new.join("\n"));
}
