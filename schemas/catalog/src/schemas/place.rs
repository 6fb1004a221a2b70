//! Where in a text something stands.

use std::ops::Range;

use jsonc_parser::ast::{ObjectProp, Value as Node};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde_json::Value;

/// The text of a schema with the places of its parts.
pub(super) struct Source<'a> {
    text: &'a str,
    root: Option<Node<'a>>,
}

impl<'a> Source<'a> {
    /// Whether the text is JSON is somebody else's question; where it is not, everything stands on line 1.
    pub(super) fn new(text: &'a str) -> Self {
        let parsed = parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default());
        Self { text, root: parsed.ok().and_then(|parsed| parsed.value) }
    }

    /// The line, from 1, of what a JSON pointer names, or of the innermost part around it that is there.
    pub(super) fn line(&self, pointer: &str) -> usize {
        let mut place = self.root.as_ref().map_or(0..0, range);
        let mut node = self.root.as_ref();
        for step in pointer.split('/').skip(1) {
            let (found, at) = match node {
                Some(Node::Object(object)) => {
                    match object.properties.iter().find(|prop| prop.name.as_str() == step) {
                        Some(prop) => (Some(&prop.value), span(prop)),
                        None => break,
                    }
                }
                Some(Node::Array(array)) => {
                    match step.parse().ok().and_then(|at: usize| array.elements.get(at)) {
                        Some(element) => (Some(element), range(element)),
                        None => break,
                    }
                }
                _ => break,
            };
            (node, place) = (found, at);
        }
        self.line_of(place.start)
    }

    fn line_of(&self, offset: usize) -> usize {
        self.text[..offset].matches('\n').count() + 1
    }

    /// Keys that an object has twice, each with its line.
    pub(super) fn repeated_keys(&self) -> Vec<(usize, String)> {
        let (mut found, mut nodes) = (vec![], Vec::from_iter(self.root.as_ref()));
        while let Some(node) = nodes.pop() {
            match node {
                Node::Object(object) => {
                    for (at, prop) in object.properties.iter().enumerate() {
                        if object.properties[..at]
                            .iter()
                            .any(|other| other.name.as_str() == prop.name.as_str())
                        {
                            let line = self.line_of(prop.range.start);
                            found.push((line, prop.name.as_str().to_owned()));
                        }
                        nodes.push(&prop.value);
                    }
                }
                Node::Array(array) => nodes.extend(&array.elements),
                _ => {}
            }
        }
        found
    }
}

fn range(node: &Node<'_>) -> Range<usize> {
    node.start()..node.end()
}

fn span(prop: &ObjectProp<'_>) -> Range<usize> {
    prop.range.start..prop.range.end
}

/// The pointer of a field that is named from the record down, such as `steps.cost`; of the last one on the way that is there.
pub(super) fn pointer(schema: &Value, path: &str) -> String {
    let (mut at, mut record) = (String::new(), schema);
    for name in path.split('.').filter(|name| !name.is_empty()) {
        let fields = record.get("fields").and_then(Value::as_array).into_iter().flatten();
        let Some((index, field)) = fields.enumerate().find(|(_, field)| field["name"] == name) else { break };
        at.push_str(&format!("/fields/{index}"));
        let Some((inside, next)) = record_inside(&field["type"]) else { break };
        at.push_str("/type");
        at.push_str(&inside);
        record = next;
    }
    at
}

/// The record in a type: through options, lists and maps.
fn record_inside(kind: &Value) -> Option<(String, &Value)> {
    match kind {
        Value::Array(branches) => branches.iter().enumerate().find_map(|(index, branch)| {
            record_inside(branch).map(|(at, record)| (format!("/{index}{at}"), record))
        }),
        Value::Object(keys) if keys.contains_key("fields") => Some((String::new(), kind)),
        Value::Object(keys) => ["items", "values", "type"].into_iter().find_map(|part| {
            record_inside(keys.get(part)?).map(|(at, record)| (format!("/{part}{at}"), record))
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEXT: &str =
        "{\n \"fields\": [\n  {\"name\": \"a\"},\n  {\"name\": \"b\",\n   \"doc\": 1, \"doc\": 2}\n ]\n}";

    #[test]
    fn a_pointer_has_a_line_and_what_is_not_there_has_that_of_what_is_around_it() {
        let source = Source::new(TEXT);
        for (pointer, line) in
            [("", 1), ("/fields", 2), ("/fields/1", 4), ("/fields/1/doc", 5), ("/fields/1/type/x", 4)]
        {
            assert_eq!(source.line(pointer), line, "{pointer}");
        }
        assert_eq!(source.repeated_keys(), [(5, "doc".to_owned())]);
        assert_eq!(Source::new("{").line("/fields"), 1);
    }

    #[test]
    fn a_field_inside_a_list_of_records_is_found() {
        let inner = json!({ "type": "record", "fields": [{ "name": "cost" }] });
        let schema = json!({ "fields": [
            { "name": "id" },
            { "name": "steps", "type": ["null", { "type": "array", "items": inner }] },
        ] });
        assert_eq!(pointer(&schema, "steps.cost"), "/fields/1/type/1/items/fields/0");
        assert_eq!(pointer(&schema, "steps.gone"), "/fields/1/type/1/items");
        assert_eq!(pointer(&schema, "gone"), "");
    }
}
