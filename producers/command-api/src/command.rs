//! From JSON to a command, or to the field that stands in the way.

use events::{AggregateId, Timestamp};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IntoDeserializer};
use serde_json::{Map, Value};

use http_api::body::escaped;
use http_api::problem::{Kind, Problem};

/// When what the command tells of happened; the moment of arrival, when the client does not say.
pub(crate) const OCCURRED_AT: &str = "occurred_at";

/// The field that says which command it is.
pub(crate) const TAG: &str = "type";

/// An aggregate's id as it stands in a path: lower case, with hyphens, so that one id has one spelling.
pub(crate) fn aggregate_id(text: &str) -> Result<AggregateId, Problem> {
    let id: Result<_, serde::de::value::Error> = AggregateId::deserialize(text.into_deserializer());
    id.map_err(|_| {
        Problem::new(Kind::InvalidParameter, "the id is not a UUID as 36 hyphenated characters in lower case")
            .with("parameter", "id")
    })
}

/// The command that `body` is, for the aggregate that the path names. The client leaves its id out, or repeats it.
pub(crate) fn command<C: DeserializeOwned>(
    body: Value,
    id_field: &str,
    id: AggregateId,
    now: Timestamp,
) -> Result<C, Problem> {
    let Value::Object(mut fields) = body else {
        return Err(Problem::new(Kind::InvalidCommand, "a command is a JSON object").at(""));
    };
    let id = Value::String(id.to_string());
    if fields.get(id_field).is_some_and(|given| *given != id) {
        let detail = "the id is another than the path's; leave it out";
        return Err(Problem::new(Kind::InvalidCommand, detail).at(format!("/{id_field}")));
    }
    fields.insert(id_field.to_owned(), id);
    fields.entry(OCCURRED_AT).or_insert_with(|| now.to_string().into());
    let fields = Value::Object(fields);
    C::deserialize(&fields).map_err(|error| {
        let culprit = culprit::<C>(&fields, &error.to_string());
        let pointer = culprit.map(|field| format!("/{}", escaped(&field))).unwrap_or_default();
        Problem::new(Kind::InvalidCommand, error.to_string()).at(pointer)
    })
}

/// The field that an error is about. A reader of tagged values does not say where it stopped, but it stops at the first
/// field it does not like: the culprit gives the same error when it is alone with the tag.
fn culprit<C: DeserializeOwned>(fields: &Value, error: &str) -> Option<String> {
    if let Some(name) = error.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        return Some(name.to_owned());
    }
    let fields = fields.as_object()?;
    let alone = |name: &str| -> Map<_, _> {
        fields
            .iter()
            .filter(|(it, _)| *it == TAG || *it == name)
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    };
    let is_culprit =
        |name: &&str| C::deserialize(&Value::Object(alone(name))).is_err_and(|e| e.to_string() == error);
    std::iter::once(TAG).chain(fields.keys().map(String::as_str)).find(is_culprit).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(tag = "type")]
    enum DoorCommand {
        OpenDoor(OpenDoor),
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct OpenDoor {
        door_id: String,
        occurred_at: String,
        width_mm: i64,
        how: Option<String>,
    }

    fn read(body: Value) -> Result<DoorCommand, Problem> {
        let id = "0192f0c1-2345-7abc-8def-0123456789ab".parse().unwrap();
        command(body, "door_id", id, Timestamp::from_micros(0))
    }

    #[test]
    fn id_and_time_come_from_outside_when_they_are_left_out() {
        let DoorCommand::OpenDoor(open) = read(json!({"type": "OpenDoor", "width_mm": 1})).unwrap();
        assert_eq!(open.door_id, "0192f0c1-2345-7abc-8def-0123456789ab");
        assert_eq!(open.occurred_at, "1970-01-01T00:00:00.000000Z");
    }

    #[test]
    fn the_field_that_stands_in_the_way_is_named() {
        let good = json!({"type": "OpenDoor", "width_mm": 1, "how": null});
        for (field, value) in [
            ("type", json!("OpenWindow")),
            ("type", json!(7)),
            ("width_mm", json!("1")),
            ("width_mm", json!(1.0)),
            ("width_mm", json!(18_446_744_073_709_551_615_u64)),
            ("how", json!(["x"])),
            ("door_id", json!("0192f0c1-2345-7abc-8def-000000000000")),
            ("a/b", json!(1)),
            ("occurred_at", json!(0)),
        ] {
            let mut body = good.clone();
            body[field] = value;
            let document = read(body).expect_err(field).document("c");
            assert_eq!(document["field"], format!("/{}", escaped(field)), "{document}");
        }
    }

    #[test]
    fn a_field_that_is_missing_is_named() {
        assert_eq!(read(json!({"type": "OpenDoor"})).unwrap_err().document("c")["field"], "/width_mm");
        assert_eq!(read(json!({"width_mm": 1})).unwrap_err().document("c")["field"], "/type");
        assert_eq!(read(json!([])).unwrap_err().document("c")["field"], "");
    }

    #[test]
    fn an_id_has_one_spelling() {
        assert!(aggregate_id("0192f0c1-2345-7abc-8def-0123456789ab").is_ok());
        for refused in [
            "0192F0C1-2345-7ABC-8DEF-0123456789AB",
            "0192f0c123457abc8def0123456789ab",
            "..",
            "",
            "{0192f0c1-2345-7abc-8def-0123456789ab}",
            "0192f0c1-2345-7abc-8def-0123456789аb",
        ] {
            assert!(aggregate_id(refused).is_err(), "{refused}");
        }
    }
}
