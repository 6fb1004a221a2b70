use std::collections::BTreeSet;
use std::fs;

use local::lock::{Artifact, Lock};
use local::{Error, Home};

#[test]
fn every_part_is_locked_for_this_machine() {
    let lock = Lock::committed();
    for (part, files) in [("kafka", 50..200), ("debezium", 1..2), ("registry", 1..2), ("java", 1..2)] {
        let locked = lock.part(part);
        assert!(files.contains(&locked.len()), "{part}: {} files", locked.len());
        for artifact in locked {
            let hexadecimal = artifact.sha256.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
            assert!(hexadecimal && artifact.sha256.len() == 64, "{artifact:?}");
            assert!(artifact.size > 0 && !artifact.file.contains('/'), "{artifact:?}");
        }
    }
}

#[test]
fn no_two_files_of_a_part_share_a_name() {
    for part in ["kafka", "debezium", "registry", "java"] {
        let lock = Lock::committed();
        let files = lock.part(part);
        let names: BTreeSet<&str> = files.iter().map(|artifact| artifact.file.as_str()).collect();
        assert_eq!(names.len(), files.len());
    }
}

#[test]
fn what_is_wanted_is_what_is_locked() {
    let (wanted, locked) = (include_str!("../../artifacts.toml"), include_str!("../../lock.toml"));
    let coordinates = wanted.lines().flat_map(|line| line.split('"').skip(1).step_by(2));
    for coordinate in coordinates.filter(|text| text.contains(':') || text.contains("==")) {
        assert!(
            locked.contains(&format!("coordinate = \"{coordinate}\"")),
            "{coordinate} is not in the lock"
        );
    }
}

#[test]
fn a_lock_with_an_unknown_field_is_refused() {
    let error = Lock::parse("[[artifact]]\npart = \"kafka\"\nurl = \"somewhere\"\n").unwrap_err();
    assert!(error.to_string().contains("lock.toml is damaged"), "{error}");
}

#[test]
fn a_wrong_checksum_names_the_file_and_both_sums_and_keeps_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kafka-clients.jar");
    fs::write(&file, "abc").unwrap();
    let sum_of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let locked = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let artifact = Artifact {
        part: "kafka".to_owned(),
        coordinate: "org.apache.kafka:kafka-clients:4.3.1".to_owned(),
        platform: None,
        file: "kafka-clients.jar".to_owned(),
        size: 3,
        sha256: locked.to_owned(),
    };

    let error = artifact.verify(&file).unwrap_err();

    let said = error.to_string();
    assert!(matches!(error, Error::WrongChecksum { .. }));
    assert!(["kafka-clients.jar", locked, sum_of_abc].iter().all(|word| said.contains(word)), "{said}");
    assert!(!file.exists(), "the wrong file is still there");

    fs::write(&file, "abc").unwrap();
    let right = Artifact { sha256: sum_of_abc.to_owned(), ..artifact };
    right.verify(&file).unwrap();
    assert!(file.exists());
}

#[test]
fn the_cache_is_the_callers_and_shared_by_all_stacks() {
    let (one, other) = (local::Stack::open("one").unwrap(), local::Stack::open("other").unwrap());
    assert_eq!(one.home(), &Home::of_the_caller());
    assert_eq!(one.home().cache, other.home().cache);
    assert_ne!(one.root(), other.root());
}
