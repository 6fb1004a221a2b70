//! What lies under `schemas/avro`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use events::{DomainEvent, ExecutionEvent};

pub(crate) fn topic_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../avro").join(ExecutionEvent::TOPIC)
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

pub(crate) fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn each_folder_is_an_event_type_and_each_type_has_its_folder() {
    let types: BTreeSet<_> = ExecutionEvent::TYPES.iter().map(|t| t.name.to_owned()).collect();
    assert_eq!(names(&topic_folder()), types);
}

#[test]
fn versions_count_from_one_without_a_gap_and_the_code_knows_them_all() {
    for event_type in ExecutionEvent::TYPES {
        let folder = topic_folder().join(event_type.name);
        let mut expected: BTreeSet<_> = (1..=event_type.version).map(|n| format!("{n}.avsc")).collect();
        expected.insert("examples".to_owned());
        assert_eq!(names(&folder), expected, "{}", event_type.name);
        let texts: Vec<_> =
            (1..=event_type.version).map(|n| read(&folder.join(format!("{n}.avsc")))).collect();
        assert_eq!(event_type.history, texts, "{}", event_type.name);
        assert_eq!(event_type.history.last(), Some(&event_type.schema));
    }
}
