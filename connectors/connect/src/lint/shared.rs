//! What two connectors may not have in common.

use std::collections::BTreeMap;

use super::Finding;
use crate::Connector;

/// Settings that name something with room for one connector, and what they name when nobody says.
const OWN: [(&str, &str, &str); 2] = [
    (
        "slot.name",
        "debezium",
        "a slot has one reader: the second fails, or both read in turn and each misses the other's part",
    ),
    (
        "publication.name",
        "dbz_publication",
        "a publication that is changed for one connector changes what the other is sent",
    ),
];

/// What connectors of one folder share and may not.
pub fn lint_together(connectors: &[Connector]) -> Vec<Finding> {
    OWN.iter().flat_map(|own| shared(connectors, own)).collect()
}

fn shared(connectors: &[Connector], (setting, default, reason): &(&str, &str, &str)) -> Vec<Finding> {
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    let mut findings = vec![];
    for connector in connectors.iter().filter(|connector| connector.reads_postgres()) {
        let value = connector.settings.get(*setting).map_or(*default, String::as_str);
        match first.get(value) {
            Some(other) => {
                let instead = format!("a name of its own; {other} has this one");
                findings.push(Finding::of(connector, setting, reason, &instead));
            }
            None => drop(first.insert(value, &connector.name)),
        }
    }
    findings
}
