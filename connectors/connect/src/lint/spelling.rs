//! Names of settings that nobody knows: Connect takes them without a word, and the setting that was meant keeps its
//! default.

use std::collections::BTreeSet;

use super::Finding;
use crate::Connector;

/// What only the plugin that it is handed to could tell apart.
const OPAQUE: [&str; 3] = ["value.converter.delegate.converter.type.", "driver.", "producer.override."];

/// What Debezium reads and does not tell that it has (3.7): one of the connector's, and those of what names its topics.
const UNTOLD: [&str; 6] = [
    "offset.mismatch.strategy",
    "topic.cache.size",
    "topic.delimiter",
    "topic.heartbeat.name",
    "topic.heartbeat.prefix",
    "topic.transaction",
];

/// Settings that the plugin does not have, each with the known name that is nearest to it.
pub fn unknown(connector: &Connector, known: &BTreeSet<String>) -> Vec<Finding> {
    let is_unknown = |setting: &&String| {
        let is_known = known.contains(*setting) || UNTOLD.contains(&setting.as_str());
        !is_known && !OPAQUE.iter().any(|prefix| setting.starts_with(prefix))
    };
    let finding = |setting: &String| {
        let instead = match nearest(setting, known) {
            Some(name) => format!("{name}, if that is meant, or nothing"),
            None => "nothing".to_owned(),
        };
        Finding::of(
            connector,
            setting,
            "the plugin knows no such setting and passes it over in silence",
            &instead,
        )
    };
    connector.settings.keys().filter(is_unknown).map(finding).collect()
}

/// The known name with the fewest changes, if it can pass for the same word.
fn nearest<'a>(name: &str, known: &'a BTreeSet<String>) -> Option<&'a str> {
    let candidates = known.iter().map(String::as_str).chain(UNTOLD);
    let (distance, nearest) = candidates.map(|candidate| (distance(name, candidate), candidate)).min()?;
    (distance <= name.len() / 3).then_some(nearest)
}

/// Insertions, removals and replacements of letters between two words (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, other) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
