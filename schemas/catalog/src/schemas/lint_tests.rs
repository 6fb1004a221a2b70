use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::*;

fn good() -> Value {
    json!({
        "type": "record", "name": "DoorOpened", "namespace": "shop.door", "doc": "A door was opened.",
        "fields": [
            { "name": "door_id", "doc": "Which door it was.", "type": { "type": "string", "logicalType": "uuid" } },
            {
                "name": "occurred_at", "doc": "When it was opened.",
                "type": { "type": "long", "logicalType": "timestamp-micros" },
            },
            { "name": "by", "doc": "The person who did it; absent when nobody saw it.", "type": ["null", "string"],
              "default": null, "personal": true },
            { "name": "color", "doc": "What color it has.", "type": {
                "type": "enum", "name": "Color", "doc": "Colors of doors.", "symbols": ["UNKNOWN", "RED"],
                "default": "UNKNOWN",
            } },
            { "name": "cost_nano_usd", "doc": "What it cost, in nano-USD.", "type": ["null", "long"], "default": null },
        ],
    })
}

fn linted_text(text: &str) -> Vec<Finding> {
    let file = |version, text: String| SchemaFile { version, path: format!("{version}.avsc"), text };
    let versions = Record(vec![file(1, good().to_string()), file(2, text.to_owned())]);
    let types = BTreeMap::from([("DoorOpened".to_owned(), versions)]);
    let topics = BTreeMap::from([("shop.door.events".to_owned(), types)]);
    lint(&Tree { folder: "schemas".into(), topics })
}

/// The rules that a changed schema breaks.
fn broken(change: impl FnOnce(&mut Value)) -> Vec<Rule> {
    let mut schema = good();
    change(&mut schema);
    let mut rules: Vec<_> =
        linted_text(&schema.to_string()).into_iter().map(|finding| finding.rule).collect();
    rules.dedup();
    rules
}

#[test]
fn every_schema_of_the_reference_domain_keeps_every_rule() {
    let tree = Tree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../avro")).unwrap();
    assert_eq!(lint(&tree), []);
    assert!(tree.records().count() >= 24);
}

#[test]
fn a_good_schema_has_no_finding_and_each_planted_mistake_has_its_rule() {
    assert_eq!(broken(|_| {}), []);
    let add = |schema: &mut Value, field: Value| schema["fields"].as_array_mut().unwrap().push(field);
    type Plant = Box<dyn Fn(&mut Value)>;
    let doc = "Something that is said here.";
    let planted: Vec<(Rule, Plant)> = vec![
        (Rule::Name, Box::new(|it| it["name"] = json!("DoorShut"))),
        (Rule::Name, Box::new(|it| it["namespace"] = json!("shop"))),
        (
            Rule::FieldName,
            Box::new(move |it| {
                add(
                    it,
                    json!({ "name": "openedBy", "doc": doc, "type": ["null", "string"], "default": null }),
                );
            }),
        ),
        (Rule::Symbol, Box::new(|it| it["fields"][3]["type"]["symbols"] = json!(["UNKNOWN", "red"]))),
        (Rule::Doc, Box::new(|it| it["doc"] = json!("door"))),
        (Rule::Doc, Box::new(|it| drop(it["fields"][4].as_object_mut().unwrap().remove("doc")))),
        (Rule::Attribute, Box::new(|it| it["fields"][2]["defualt"] = json!(null))),
        (Rule::FieldOrder, Box::new(|it| it["fields"].as_array_mut().unwrap().swap(0, 1))),
        (Rule::Optional, Box::new(|it| it["fields"][4]["type"] = json!(["null", "long", "string"]))),
        (Rule::Optional, Box::new(|it| drop(it["fields"][4].as_object_mut().unwrap().remove("default")))),
        (
            Rule::AddedDefault,
            Box::new(move |it| add(it, json!({ "name": "width", "doc": doc, "type": "int" }))),
        ),
        (
            Rule::DefaultType,
            Box::new(move |it| {
                add(it, json!({ "name": "width", "doc": doc, "type": "int", "default": "wide" }));
            }),
        ),
        (
            Rule::EnumDefault,
            Box::new(|it| drop(it["fields"][3]["type"].as_object_mut().unwrap().remove("default"))),
        ),
        (Rule::EnumDefault, Box::new(|it| it["fields"][3]["type"]["default"] = json!("GREEN"))),
        (
            Rule::LogicalPlace,
            Box::new(move |it| {
                add(
                    it,
                    json!({ "name": "n", "doc": doc, "type": "long", "logicalType": "time-micros", "default": 0 }),
                );
            }),
        ),
        (
            Rule::Time,
            Box::new(move |it| {
                add(it, json!({ "name": "shut_at", "doc": doc, "type": ["null", "long"], "default": null }));
            }),
        ),
        (
            Rule::Id,
            Box::new(move |it| {
                add(it, json!({ "name": "key_id", "doc": doc, "type": ["null", "string"], "default": null }));
            }),
        ),
        (
            Rule::Float,
            Box::new(move |it| {
                add(it, json!({ "name": "angle", "doc": doc, "type": ["null", "double"], "default": null }));
            }),
        ),
        (
            Rule::Money,
            Box::new(move |it| {
                add(it, json!({ "name": "price", "doc": doc, "type": ["null", "long"], "default": null }));
            }),
        ),
        (
            Rule::Reference,
            Box::new(move |it| {
                add(
                    it,
                    json!({ "name": "place", "doc": doc, "type": ["null", "shop.Place"], "default": null }),
                );
            }),
        ),
        (Rule::Alias, Box::new(|it| it["fields"][3]["aliases"] = json!(["paint"]))),
        (Rule::Personal, Box::new(|it| it["fields"][3]["personal"] = json!(true))),
        (
            Rule::Size,
            Box::new(move |it| {
                for n in 0..60 {
                    add(it, json!({ "name": format!("f{n}"), "doc": doc, "type": "int", "default": 0 }));
                }
            }),
        ),
        (Rule::FieldName, Box::new(|it| it["fields"][3]["name"] = json!("by"))),
        (Rule::Avro, Box::new(|it| it["fields"][3]["type"] = json!({ "type": "array" }))),
    ];
    for (rule, plant) in planted {
        assert_eq!(broken(plant), [rule]);
    }
}

#[test]
fn a_finding_has_its_line_and_says_what_to_do() {
    let text = serde_json::to_string_pretty(&good()).unwrap().replace("\"What color it has.\"", "\"color\"");
    let line = text.lines().position(|line| line.contains("\"color\"") && line.contains("doc")).unwrap();
    let [found] = &linted_text(&text)[..] else { panic!("one mistake, one finding") };
    // The field's object begins on the line before its first key.
    assert_eq!((found.file.as_str(), found.line, found.rule), ("2.avsc", line, Rule::Doc));
    assert!(found.to_string().contains("field color has a doc that is no sentence\n    why: "), "{found}");
}

#[test]
fn text_that_is_no_json_and_a_key_that_is_there_twice_are_found() {
    let found = linted_text("{\n \"type\": }");
    assert_eq!((found[0].line, found[0].rule, found.len()), (2, Rule::Json, 1));
    let twice = good().to_string().replacen("\"doc\":", "\"doc\": \"First.\",\n\"doc\":", 1);
    let found = linted_text(&twice);
    assert_eq!(found.iter().map(|finding| finding.rule).collect::<Vec<_>>(), [Rule::Json], "{found:?}");
}
