//! What stands for a view when it is compared.

use events::Digest;
use serde::Serialize;
use serde_json::Value;

/// Of a view: of its JSON without spaces, the names of every object in byte order, so that no way of keeping it
/// changes the digest.
///
/// # Panics
///
/// If the view cannot be written as JSON; every sink writes it so.
pub(crate) fn view_digest(view: &impl Serialize) -> Digest {
    let document = serde_json::to_value(view).expect("a view is written as JSON by every sink");
    let mut canonical = Vec::new();
    write_canonical(&document, &mut canonical);
    Digest::of(&canonical)
}

fn write_canonical(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(members) => {
            // Whether `Map` keeps its names sorted depends on a feature that any crate can switch.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            write_list(out, b'{', b'}', members, |out, (name, member)| {
                write_canonical(&Value::from(name.as_str()), out);
                out.push(b':');
                write_canonical(member, out);
            });
        }
        Value::Array(items) => write_list(out, b'[', b']', items, |out, item| write_canonical(item, out)),
        scalar => out.extend_from_slice(scalar.to_string().as_bytes()),
    }
}

fn write_list<T>(
    out: &mut Vec<u8>,
    open: u8,
    close: u8,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(open);
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(close);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_names_does_not_matter_but_every_value_does() {
        let view = view_digest(&json!({"b": [1, {"y": null, "x": "é\""}], "a": 2}));
        assert_eq!(view, Digest::of(r#"{"a":2,"b":[1,{"x":"é\"","y":null}]}"#.as_bytes()));
        assert_ne!(view, view_digest(&json!({"b": [1, {"y": null, "x": "é\""}], "a": 3})));
    }
}
