use std::fs;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use super::super::freeze::freeze;
use super::*;

/// A folder with one type, and a version of it for each list of fields.
fn folder(versions: &[Value]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("shop.door.events/DoorOpened");
    fs::create_dir_all(&record).unwrap();
    for (version, fields) in (1..).zip(versions) {
        fs::write(record.join(format!("{version}.avsc")), schema(fields).to_string()).unwrap();
    }
    folder
}

fn schema(fields: &Value) -> Value {
    json!({ "type": "record", "name": "DoorOpened", "namespace": "shop.door", "fields": fields })
}

fn checked(folder: &Path) -> Vec<String> {
    let checked = check(&Tree::read(folder).unwrap(), &Frozen::read(folder).unwrap());
    checked.findings.iter().map(|it| format!("{}: {}: {}", it.file, it.rule, it.what)).collect()
}

fn number(name: &str) -> Value {
    json!({ "name": name, "type": "long" })
}

fn with_default(name: &str) -> Value {
    json!({ "name": name, "type": "long", "default": 0 })
}

#[test]
fn every_version_of_the_reference_domain_reads_every_other_and_is_frozen() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../avro");
    let checked = check(&Tree::read(&folder).unwrap(), &Frozen::read(&folder).unwrap());
    assert_eq!(checked.findings, []);
    assert!(checked.files >= 33 && checked.pairs >= 2, "{checked:?}");
}

#[test]
fn a_default_that_is_lost_is_named_with_the_version_that_never_had_the_field() {
    let folder = folder(&[
        json!([number("id")]),
        json!([number("id"), with_default("cost")]),
        json!([number("id"), number("cost")]),
    ]);
    freeze(folder.path()).unwrap();
    assert_eq!(
        checked(folder.path()),
        ["shop.door.events/DoorOpened/3.avsc: compatibility: field cost lost its default \
          (programs with the newer version cannot read old events: version 1)"]
    );
}

#[test]
fn an_offence_against_several_versions_is_told_once() {
    let folder = folder(&[
        json!([number("id")]),
        json!([number("id"), with_default("a")]),
        json!([with_default("a")]),
    ]);
    freeze(folder.path()).unwrap();
    let found = checked(folder.path());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("field id was removed") && found[0].ends_with("versions 1, 2)"), "{found:?}");
}

#[test]
fn what_was_released_is_neither_changed_nor_gone_and_what_is_new_is_frozen_on_demand() {
    let folder = folder(&[json!([number("id")])]);
    assert!(checked(folder.path())[0].ends_with("it is not frozen yet"));
    assert_eq!(freeze(folder.path()).unwrap(), ["shop.door.events/DoorOpened/1.avsc"]);
    assert_eq!(checked(folder.path()), [] as [String; 0]);
    assert_eq!(freeze(folder.path()).unwrap(), [] as [String; 0]);

    let file = folder.path().join("shop.door.events/DoorOpened/1.avsc");
    fs::write(&file, schema(&json!([number("id"), with_default("cost")])).to_string()).unwrap();
    let tree = Tree::read(folder.path()).unwrap();
    let found = check(&tree, &Frozen::read(folder.path()).unwrap()).findings;
    assert_eq!((found.len(), found[0].rule), (1, Rule::Frozen));
    assert!(
        found[0].fix.ends_with("write the change into shop.door.events/DoorOpened/2.avsc"),
        "{}",
        found[0].fix
    );
    assert_eq!(freeze(folder.path()).unwrap(), [] as [String; 0], "freezing covers nothing up");
    assert_eq!(checked(folder.path()).len(), 1);

    fs::rename(&file, folder.path().join("elsewhere")).unwrap();
    fs::write(folder.path().join("shop.door.events/DoorOpened/1.avsc.txt"), "").unwrap();
    let frozen = Frozen::read(folder.path()).unwrap();
    assert!(frozen.findings(&tree)[0].what.ends_with("is gone"));

    fs::write(folder.path().join("frozen.sha256"), "no digest\n").unwrap();
    assert_eq!(
        Frozen::read(folder.path()).unwrap_err().to_string(),
        "line 1 of frozen.sha256 is not \"<sha256>  <path>\""
    );
}

fn registered(version: u32, fields: &Value) -> Registered {
    Registered { version, id: 40 + version, text: serde_json::to_string_pretty(&schema(fields)).unwrap() }
}

#[test]
fn what_a_registry_has_and_no_file_does_is_named_and_so_is_what_it_would_refuse() {
    let folder = folder(&[json!([number("id")]), json!([number("id"), number("cost")])]);
    let tree = Tree::read(folder.path()).unwrap();
    let live = |level, versions: Vec<Registered>| LiveSchemas {
        compatibility: Some(level),
        subjects: BTreeMap::from([("shop.door.events-shop.door.DoorOpened".to_owned(), versions)]),
    };
    let full = Compatibility::FullTransitive;

    let (both, new, found) =
        compare_with_registry(&tree, &live(full, vec![registered(1, &json!([number("id")]))]));
    assert_eq!((both, new, found.len()), (1, 1, 1));
    assert!(found[0].what.contains("field cost was added without a default"), "{found:?}");
    assert!(found[0].what.ends_with("version 1 of the registry)"), "{found:?}");

    let foreign = registered(1, &json!([number("id"), with_default("width")]));
    let (both, _, found) = compare_with_registry(&tree, &live(Compatibility::Backward, vec![foreign]));
    assert_eq!(both, 0);
    let all = format!("{found:?}");
    assert!(all.contains("(id 41) that no file has") && all.contains("rule is BACKWARD"), "{all}");

    let mut stray = live(full, vec![]);
    stray
        .subjects
        .insert("shop.door.events-shop.door.DoorPainted".to_owned(), vec![registered(1, &json!([]))]);
    let (_, new, found) = compare_with_registry(&tree, &stray);
    assert_eq!((new, found.len()), (2, 1));
    assert!(found[0].what.contains("DoorPainted, and no file does"), "{found:?}");
}
