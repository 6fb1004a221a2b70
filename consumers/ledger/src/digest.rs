//! What stands for bytes and for views when they are compared.

use std::fmt;

use events::{AggregateId, EventId};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// BLAKE3 of some bytes, or of a view.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of bytes as they are.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// Of a view: of its JSON without spaces, the names of every object in byte order, so that no way of keeping it
    /// changes the digest.
    ///
    /// # Panics
    ///
    /// If the view cannot be written as JSON; every sink writes it so.
    pub fn of_view(view: &impl Serialize) -> Self {
        let document = serde_json::to_value(view).expect("a view is written as JSON by every sink");
        let mut canonical = Vec::new();
        write_canonical(&document, &mut canonical);
        Self::of(&canonical)
    }
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

impl fmt::Display for Digest {
    /// The first eight bytes in hex: enough for an eye.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..8].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// A sum over events that does not depend on their order: of the first 16 bytes of
/// H(aggregate, version, event id, payload digest), modulo 2^128. Two stages with the same events have the same sum.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum(u128);

impl Sum {
    /// Adds one event.
    pub fn add(&mut self, aggregate: AggregateId, version: u64, event: EventId, payload: Digest) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(aggregate.0.as_bytes());
        hasher.update(&version.to_be_bytes());
        hasher.update(event.0.as_bytes());
        hasher.update(&payload.0);
        let mut first = [0; 16];
        first.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        self.0 = self.0.wrapping_add(u128::from_be_bytes(first));
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sum({self})")
    }
}

impl Serialize for Sum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_names_does_not_matter_but_every_value_does() {
        let view = Digest::of_view(&json!({"b": [1, {"y": null, "x": "é\""}], "a": 2}));
        assert_eq!(view, Digest::of(r#"{"a":2,"b":[1,{"x":"é\"","y":null}]}"#.as_bytes()));
        assert_ne!(view, Digest::of_view(&json!({"b": [1, {"y": null, "x": "é\""}], "a": 3})));
    }
}
