use std::path::Path;

use serde_json::Value;

use crate::{Manifest, Tree, asyncapi, catalogue};

fn contract() -> (Tree, Manifest) {
    let tree = Tree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../avro")).unwrap();
    (tree, Manifest::committed())
}

/// Every reference of a document, wherever it is.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(keys) => {
            found.extend(keys.get("$ref").and_then(Value::as_str));
            keys.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn the_asyncapi_document_has_every_topic_and_event_and_no_loose_end() {
    let (tree, manifest) = contract();
    let document = asyncapi(&tree, &manifest).unwrap();
    let mut found = vec![];
    references(&document, &mut found);
    for reference in &found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    for (topic, event, record) in tree.records() {
        let message = &document["components"]["messages"][format!("{topic}.{event}")];
        assert_eq!(message["payload"]["schema"]["name"], event);
        assert_eq!(message["title"], format!("{event}, version {}", record.0.len()));
        assert!(message["examples"][0]["payload"].is_object(), "{event}");
    }
    let execution = &document["channels"]["agents.execution.events"];
    assert_eq!(execution["bindings"]["kafka"]["topicConfiguration"]["retention.ms"], 2_592_000_000_i64);
    let receives = &document["operations"]["agents.execution.events.receive.executions-redis"];
    assert_eq!(receives["action"], "receive");
}

#[test]
fn the_catalogue_says_of_every_event_what_it_is_where_it_goes_and_how_it_looks() {
    let (tree, manifest) = contract();
    let text = catalogue(&tree, &manifest).unwrap();
    for (_, event, _) in tree.records() {
        assert!(text.contains(&format!("\n### {event}\n")), "{event}");
    }
    for part in [
        "## agents.execution.events",
        "| owner | agents |",
        "| retention | 30d |",
        "| read by | executions-postgres, executions-redis |",
        "| `occurred_at` | long (timestamp-micros) |",
        "| `cost_nano_usd` | long or null | `null` |",
        "Personal: encrypted per data subject.",
        "```json",
    ] {
        assert!(text.contains(part), "{part}");
    }
}
