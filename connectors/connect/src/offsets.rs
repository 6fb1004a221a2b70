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
        self.named().flat_map(named).flatten().max()
    }

    /// The end of the last transaction that a Postgres connector has delivered whole.
    pub fn commit_lsn(&self) -> Option<u64> {
        self.named().find_map(|offset| offset.get("lsn_commit")?.as_u64())
    }

    /// The last row that it has delivered of the transaction behind that; `None`: it stands between transactions.
    pub fn row_lsn(&self) -> Option<u64> {
        let offset = self.named().find(|offset| offset.contains_key("lsn"))?;
        match offset.get("messageType").and_then(Value::as_str) {
            Some("BEGIN" | "COMMIT") => None,
            _ => offset["lsn"].as_u64(),
        }
    }

    /// The same as if a row, the next one, had been delivered.
    pub fn with_row(mut self, lsn: u64) -> Self {
        for offset in self.offsets.iter_mut().filter_map(|partition| partition.offset.as_mut()) {
            offset.insert("lsn".into(), lsn.into());
            offset.insert("lsn_proc".into(), lsn.into());
            offset.insert("messageType".into(), "INSERT".into());
            offset.remove("lsn_events_processed"); // of the row before
        }
        self
    }

    fn named(&self) -> impl Iterator<Item = &Map<String, Value>> {
        self.offsets.iter().filter_map(|partition| partition.offset.as_ref())
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

    #[test]
    fn a_row_that_is_let_by_is_the_last_that_was_delivered() {
        let text = r#"{"offsets":[{"partition":{"server":"agents"},"offset":{"lsn":8,"lsn_proc":8,"lsn_commit":8,"messageType":"COMMIT","lsn_events_processed":1,"txId":1}}]}"#;
        let between: Offsets = serde_json::from_str(text).unwrap();
        assert_eq!((between.commit_lsn(), between.row_lsn()), (Some(8), None));
        let within = between.with_row(9);
        assert_eq!((within.commit_lsn(), within.row_lsn()), (Some(8), Some(9)));
        let wanted = r#"{"offsets":[{"partition":{"server":"agents"},"offset":{"lsn":9,"lsn_commit":8,"lsn_proc":9,"messageType":"INSERT","txId":1}}]}"#;
        assert_eq!(serde_json::to_string(&within).unwrap(), wanted);
    }
}
