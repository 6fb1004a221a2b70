//! Committed examples and their committed bytes: `examples/<example>.json` beside the schema's versions, and
//! `examples/<example>.<version>.hex`, the datum that the version makes of it. Bytes of old versions stay for ever; where
//! they mean something else than the newest version would, `examples/<example>.<version>.upcast.json` says what they
//! read as today.

use std::collections::BTreeSet;
use std::path::Path;

use events::{DomainEvent, EventType, each_event_set};
use serde_json::Value;

use crate::differential::{apache, fast};
use crate::files::{avro, names, read};

fn hex(bytes: &[u8]) -> String {
    bytes.chunks(32).map(|line| line.iter().map(|b| format!("{b:02x}")).collect::<String>() + "\n").collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter(|c| !c.is_whitespace()).collect();
    digits.chunks(2).map(|b| u8::from_str_radix(&b.iter().collect::<String>(), 16).unwrap()).collect()
}

fn json(event: &impl DomainEvent) -> Value {
    event.serialize_record(serde_json::value::Serializer).unwrap()
}

fn each_example<E: DomainEvent>(check: impl Fn(&'static EventType, &str, &Path, &Value)) {
    for event_type in E::TYPES {
        let folder = avro().join(E::TOPIC).join(event_type.name).join("examples");
        let is_example = |name: &String| !name.ends_with(".upcast.json");
        let examples: Vec<_> = names(&folder)
            .into_iter()
            .filter(is_example)
            .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
            .collect();
        assert!(examples.len() >= 2, "{} needs two examples", event_type.name);
        for example in examples {
            let json = serde_json::from_str(&read(&folder.join(format!("{example}.json")))).unwrap();
            check(event_type, &example, &folder, &json);
        }
    }
}

#[test]
fn examples_have_exactly_the_fields_of_the_schema() {
    each_event_set!(E => {
        each_example::<E>(|event_type, example, _, json| {
            let schema: Value = serde_json::from_str(event_type.schema).unwrap();
            let mut fields: Vec<_> =
                schema["fields"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
            fields.sort_unstable();
            let mut given: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
            given.sort_unstable();
            assert_eq!(given, fields, "{} {example}", event_type.name);
        })
    });
}

#[test]
fn one_example_has_every_optional_field_and_one_has_none() {
    each_event_set!(E => {
        each_example::<E>(|event_type, example, _, json| {
            let absent = json.as_object().unwrap().values().filter(|v| v.is_null()).count();
            let optional = event_type.schema.matches("[\"null\"").count();
            match example {
                "full" => assert_eq!(absent, 0, "{}", event_type.name),
                "least" => assert_eq!(absent, optional, "{}", event_type.name),
                _ => {}
            }
        })
    });
}

fn is_the_same<E: DomainEvent>(event_type: &'static EventType, example: &str, folder: &Path, given: &Value) {
    let event = E::deserialize_record(event_type.name, event_type.version, given).unwrap().unwrap();
    assert_eq!(&json(&event), given);
    let datum = fast::encode(&event);
    let path = folder.join(format!("{example}.{}.hex", event_type.version));
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == hex(&datum),
        "{} is not what {} {example} makes now:\n{}",
        path.display(),
        event_type.name,
        hex(&datum)
    );
    assert_eq!(apache::encode(&event), datum);
    assert_eq!(apache::decode::<E>(event_type, &datum), Some(event));
}

#[test]
fn an_example_is_the_same_as_json_as_rust_and_as_committed_bytes() {
    each_event_set!(E => { each_example::<E>(is_the_same::<E>) });
}

/// The data and the answers that lie beside the examples: `<example>.<version><ends>`.
fn beside(folder: &Path, ends: &str) -> BTreeSet<(String, u32)> {
    let stems = names(folder).into_iter().filter_map(|name| name.strip_suffix(ends).map(str::to_owned));
    let parts = stems.map(|stem| {
        let (example, version) =
            stem.rsplit_once('.').unwrap_or_else(|| panic!("{stem}{ends} has no version"));
        (example.to_owned(), version.parse().unwrap())
    });
    parts.collect()
}

/// Every datum is of an example and of a version, every example has one of the newest version, and exactly those of
/// lifted versions have an answer.
fn is_complete(event_type: &EventType, folder: &Path) {
    let (data, answers) = (beside(folder, ".hex"), beside(folder, ".upcast.json"));
    let examples = names(folder).into_iter().filter(|name| !name.ends_with(".upcast.json"));
    let examples: BTreeSet<_> =
        examples.filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).collect();
    for (example, version) in &data {
        assert!(examples.contains(example), "{}: {example}.{version}.hex is of no example", event_type.name);
        assert!((1..=event_type.version).contains(version), "{}: {example}.{version}.hex", event_type.name);
    }
    let newest = data.iter().filter(|(_, version)| *version == event_type.version);
    assert_eq!(newest.map(|(example, _)| example.clone()).collect::<BTreeSet<_>>(), examples);
    let lifted = data.into_iter().filter(|(_, version)| *version <= event_type.lifted_through);
    assert_eq!(answers, lifted.collect(), "{}: answers and lifted data", event_type.name);
    let files = names(folder).len() - examples.len();
    assert_eq!(files, beside(folder, ".hex").len() + answers.len(), "{}: a file of no kind", event_type.name);
}

/// What every committed datum reads as today: the committed answer where its version is lifted, and something in any
/// case.
fn is_still_read<E: DomainEvent>(event_type: &'static EventType, folder: &Path) {
    for (example, version) in beside(folder, ".hex") {
        let path = folder.join(format!("{example}.{version}.hex"));
        let event = fast::decode::<E>(event_type, version, &unhex(&read(&path)))
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        if version <= event_type.lifted_through {
            let answer = folder.join(format!("{example}.{version}.upcast.json"));
            let answer: Value = serde_json::from_str(&read(&answer)).unwrap();
            let mut found = json(&event);
            // A field that is younger than the answer says nothing.
            found
                .as_object_mut()
                .unwrap()
                .retain(|name, value| answer.get(name).is_some() || !value.is_null());
            assert_eq!(found, answer, "{}", path.display());
        }
    }
}

#[test]
fn bytes_of_every_version_are_still_read_as_what_they_meant() {
    each_event_set!(E => {
        for event_type in E::TYPES {
            let folder = avro().join(E::TOPIC).join(event_type.name).join("examples");
            is_complete(event_type, &folder);
            is_still_read::<E>(event_type, &folder);
        }
    });
}
