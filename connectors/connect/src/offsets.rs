//! A source connector's place, as Connect keeps it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What Connect would hand to the connector at its next start. Empty: it would begin where its slot begins.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
pub struct Offsets {
    offsets: Vec<Partition>,
}

/// What a connector reads, and how far.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
struct Partition {
    #[serde(default)]
    partition: Value,
    offset: Option<Map<String, Value>>,
}

impl Offsets {
    /// The place in Postgres' log up to which the connector has delivered, the furthest of those it names; `None`: it has
    /// delivered nothing, or forgot.
    pub fn lsn(&self) -> Option<u64> {
        let named = |offset: &Map<String, Value>| {
            ["lsn", "lsn_proc", "lsn_commit"].map(|key| offset.get(key).and_then(Value::as_u64))
        };
        let offsets = self.offsets.iter().filter_map(|partition| partition.offset.as_ref());
        offsets.flat_map(named).flatten().max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_the_furthest_that_is_named() {
        let text = r#"{"offsets":[{"partition":{"server":"agents"},"offset":{"lsn":7,"lsn_proc":9,"lsn_commit":8,"txId":1}}]}"#;
        assert_eq!(serde_json::from_str::<Offsets>(text).unwrap().lsn(), Some(9));
        assert_eq!(serde_json::from_str::<Offsets>(r#"{"offsets":[]}"#).unwrap().lsn(), None);
    }
}
