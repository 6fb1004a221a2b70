//! The topics and their events, for people.

use std::fmt::{self, Write};

use serde_json::Value;

use super::Described;
use crate::{Manifest, Topic, Tree, TreeError};

/// A Markdown document of all topics and events.
pub fn catalogue(tree: &Tree, manifest: &Manifest) -> Result<String, TreeError> {
    let mut text = String::from(
        "# Events\n\nMade of the schema files and the manifest of topics (`millrace schema catalogue`). Payloads are Avro in Confluent framing; \
         the key of\na record is the aggregate's id; headers are CloudEvents 1.0 in binary mode (`schemas/asyncapi.json` lists them).\n",
    );
    for (topic, types) in &tree.topics {
        let events = types.iter().map(|(name, record)| Described::new(tree, topic, name, record));
        let events = events.collect::<Result<Vec<_>, _>>()?;
        describe(&mut text, topic, manifest, &events).expect("a String takes every text");
    }
    Ok(text)
}

fn describe(text: &mut String, topic: &str, manifest: &Manifest, events: &[Described<'_>]) -> fmt::Result {
    write!(text, "\n## {topic}\n\n")?;
    if let Some(declared) = manifest.topic(topic) {
        describe_topic(text, declared, manifest)?;
    }
    events.iter().try_for_each(|event| describe_event(text, event))
}

fn describe_topic(text: &mut String, topic: &Topic, manifest: &Manifest) -> fmt::Result {
    let writers: Vec<_> = manifest.writers(topic).map(|user| user.name.as_str()).collect();
    let or_none = |list: String| if list.is_empty() { "nobody yet".to_owned() } else { list };
    write!(
        text,
        "{}\n\n| | |\n| --- | --- |\n| owner | {} |\n| key | {} |\n| partitions | {}: {} |\n| retention | {} |\n| written by | {} |\n| read by | {} |\n",
        topic.purpose,
        topic.owner,
        topic.key.as_deref().unwrap_or("none"),
        topic.partitions,
        topic.partitions_reason,
        topic.retention,
        or_none(writers.join(", ")),
        or_none(topic.consumers.join(", ")),
    )
}

fn describe_event(text: &mut String, event: &Described<'_>) -> fmt::Result {
    write!(
        text,
        "\n### {}\n\n{} Version {}.\n\n| field | type | default | |\n| --- | --- | --- | --- |\n",
        event.name,
        event.doc(),
        event.version,
    )?;
    for field in event.fields() {
        let default = field.get("default").map_or_else(String::new, |value| format!("`{value}`"));
        let personal =
            if field.get("personal").is_some() { " Personal: encrypted per data subject." } else { "" };
        let doc = field["doc"].as_str().unwrap_or_default();
        let kind = in_words(&field["type"]).replace('|', "\\|");
        let name = field["name"].as_str().unwrap_or_default();
        writeln!(text, "| `{name}` | {kind} | {default} | {doc}{personal} |")?;
    }
    match &event.example {
        Some(example) => write!(text, "\n```json\n{example:#}\n```\n"),
        None => Ok(()),
    }
}

/// A type as people say it: `long (timestamp-micros)`, `string or null`, `list of Step`.
fn in_words(kind: &Value) -> String {
    match kind {
        Value::String(name) => name.clone(),
        Value::Array(branches) => {
            // What it is when it is there comes first.
            let (null, rest): (Vec<_>, Vec<_>) = branches.iter().partition(|branch| *branch == "null");
            rest.into_iter().chain(null).map(in_words).collect::<Vec<_>>().join(" or ")
        }
        Value::Object(keys) => {
            let name = || keys.get("name").and_then(Value::as_str).unwrap_or_default();
            match keys.get("type").and_then(Value::as_str) {
                Some("array") => format!("list of {}", in_words(&kind["items"])),
                Some("map") => format!("map of {}", in_words(&kind["values"])),
                Some("enum") => {
                    let symbols = kind["symbols"].as_array().into_iter().flatten().filter_map(Value::as_str);
                    format!("{}: {}", name(), symbols.collect::<Vec<_>>().join(", "))
                }
                Some("record") => {
                    let fields = kind["fields"].as_array().into_iter().flatten();
                    let fields = fields.map(|field| {
                        format!("{} {}", field["name"].as_str().unwrap_or_default(), in_words(&field["type"]))
                    });
                    format!("{} {{{}}}", name(), fields.collect::<Vec<_>>().join(", "))
                }
                Some(base) => match keys.get("logicalType").and_then(Value::as_str) {
                    Some(logical) => format!("{base} ({logical})"),
                    None => base.to_owned(),
                },
                None => in_words(&kind["type"]),
            }
        }
        other => other.to_string(),
    }
}
