//! Whether the files keep what was promised: to what was released, and to what the registry has.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use wire::{Compatibility, Registered, Registry, RegistryError};

use super::compatibility::{Break, Direction, Reason, breaks, has_default};
use super::finding::{Finding, Rule};
use super::freeze::Frozen;
use super::place::{Source, pointer};
use super::tree::{Record, SchemaFile, Tree};

/// What was compared, and what is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Schema files.
    pub files: usize,
    /// Pairs of versions, each in both directions.
    pub pairs: usize,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Every version against every other, and every released file against its digest. Files that are no Avro are passed over:
/// [`super::lint`] names them.
pub fn check(tree: &Tree, frozen: &Frozen) -> Checked {
    let mut checked = Checked { findings: frozen.findings(tree), ..Checked::default() };
    for (_, _, record) in tree.records() {
        checked.files += record.0.len();
        let versions: Vec<(&SchemaFile, Value)> =
            record.0.iter().filter_map(|file| Some((file, parsed(&file.text)?))).collect();
        checked.pairs += versions.len() * versions.len().saturating_sub(1) / 2;
        for (at, newer) in versions.iter().enumerate() {
            checked.findings.extend(broken_by(newer, &versions[..at]));
        }
    }
    checked.findings.sort();
    checked
}

/// Only what parses has a meaning to compare.
fn parsed(text: &str) -> Option<Value> {
    wire::WriterSchema::parse(text).ok().and_then(|_| serde_json::from_str(text).ok())
}

/// What a version breaks with those before it: each offence once, with all the versions that it concerns.
fn broken_by((file, newer): &(&SchemaFile, Value), older: &[(&SchemaFile, Value)]) -> Vec<Finding> {
    let mut found: BTreeMap<(Break, Direction), Vec<u32>> = BTreeMap::new();
    for (other, schema) in older {
        for offence in both_ways(schema, newer) {
            found.entry(offence).or_default().push(other.version);
        }
    }
    let source = Source::new(&file.text);
    let finding = |((one, direction), versions): ((Break, Direction), Vec<u32>)| {
        let lost = direction == Direction::NewReadsOld
            && one.reason == Reason::Missing
            && older.iter().any(|(_, schema)| has_default(schema, &one.path));
        let words = if lost { format!("field {} lost its default", one.path) } else { one.words(direction) };
        Finding {
            file: file.path.clone(),
            line: source.line(&pointer(newer, &one.path)),
            rule: Rule::Compatibility,
            what: format!("{words} ({direction}: {})", numbered(&versions)),
            fix: remedy(&one, direction, lost),
        }
    };
    found.into_iter().map(finding).collect()
}

/// What each of two versions cannot read of the other's events.
fn both_ways(older: &Value, newer: &Value) -> impl Iterator<Item = (Break, Direction)> {
    let told = |breaks: Vec<Break>, direction| breaks.into_iter().map(move |one| (one, direction));
    let new_reads_old = told(breaks(older, newer), Direction::NewReadsOld);
    new_reads_old.chain(told(breaks(newer, older), Direction::OldReadsNew))
}

fn numbered(versions: &[u32]) -> String {
    let list: Vec<_> = versions.iter().map(u32::to_string).collect();
    format!("version{} {}", if list.len() == 1 { "" } else { "s" }, list.join(", "))
}

fn remedy(one: &Break, direction: Direction, lost: bool) -> String {
    match (&one.reason, direction) {
        (Reason::Missing, _) if lost => "give it its default back".to_owned(),
        (Reason::Missing, Direction::NewReadsOld) => {
            "give it a default: [\"null\", …] with default null".to_owned()
        }
        (Reason::Missing, Direction::OldReadsNew) => "keep the field, and stop reading it".to_owned(),
        (Reason::Symbol(_), Direction::NewReadsOld) => "keep the symbol, and stop writing it".to_owned(),
        (Reason::Symbol(_), Direction::OldReadsNew) => {
            "write what is new into a new field with a default".to_owned()
        }
        (Reason::Name { .. }, _) => "keep the name; another fact is another event type".to_owned(),
        (Reason::Type { .. } | Reason::Branch(_) | Reason::Logical { .. } | Reason::Size { .. }, _) => {
            "keep the type, and add a new optional field beside it".to_owned()
        }
    }
}

/// What a registry has of the topics of a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveSchemas {
    /// The rule for new versions.
    pub compatibility: Option<Compatibility>,
    /// Every version of every subject.
    pub subjects: BTreeMap<String, Vec<Registered>>,
}

impl LiveSchemas {
    /// Asks a registry for all subjects of the tree's topics.
    pub async fn of(registry: &Registry, tree: &Tree) -> Result<Self, RegistryError> {
        let prefixes: Vec<_> = tree.topics.keys().map(|topic| format!("{topic}-")).collect();
        let mut live = Self { compatibility: Some(registry.compatibility().await?), ..Self::default() };
        for subject in registry.subjects().await? {
            if prefixes.iter().any(|prefix| subject.starts_with(prefix.as_str())) {
                let versions = registry.versions(&subject).await?;
                live.subjects.insert(subject, versions);
            }
        }
        Ok(live)
    }
}

/// What of the registry the files do not know, and what of the files the registry would refuse. Answers how many versions
/// both have, and how many `millrace schema publish` would add.
pub fn compare_with_registry(tree: &Tree, live: &LiveSchemas) -> (usize, usize, Vec<Finding>) {
    let (mut both, mut new, mut found) = (0, 0, vec![]);
    let mut unknown: BTreeSet<&str> = live.subjects.keys().map(String::as_str).collect();
    for (topic, _, record) in tree.records() {
        let Some(subject) = subject(topic, record) else { continue };
        unknown.remove(subject.as_str());
        let registered = live.subjects.get(&subject).map_or(&[][..], Vec::as_slice);
        let file = record.0.last().map(|file| file.path.clone()).unwrap_or_default();
        for Registered { version, id, text } in registered {
            if record.texts().any(|own| same(own, text)) {
                both += 1;
            } else {
                let what =
                    format!("the registry has a version {version} of {subject} (id {id}) that no file has");
                let fix = format!("write it down as the next version: {}", compact(text));
                found.push(finding(&file, what, fix));
            }
        }
        for own in &record.0 {
            if registered.iter().any(|known| same(&own.text, &known.text)) {
                continue;
            }
            new += 1;
            found.extend(against_live(own, registered));
        }
    }
    for subject in unknown {
        let what = format!("the registry has the subject {subject}, and no file does");
        let fix =
            "whoever registered it writes a topic of this tree: add its schemas, or take its access away";
        found.push(finding(subject, what, fix.to_owned()));
    }
    match live.compatibility {
        None | Some(Compatibility::FullTransitive) => {}
        Some(level) => {
            let what = format!("the registry's rule is {level}, not FULL_TRANSITIVE");
            let fix = "`millrace schema publish` sets it before it registers anything";
            found.push(finding("the registry", what, fix.to_owned()));
        }
    }
    (both, new, found)
}

/// A version that is not registered, against those that are.
fn against_live(own: &SchemaFile, registered: &[Registered]) -> Vec<Finding> {
    let Some(newer) = parsed(&own.text) else { return vec![] };
    let (mut found, source) = (vec![], Source::new(&own.text));
    for Registered { version, text, .. } in registered {
        let Some(older) = parsed(text) else { continue };
        found.extend(both_ways(&older, &newer).map(|(one, direction)| Finding {
            file: own.path.clone(),
            line: source.line(&pointer(&newer, &one.path)),
            rule: Rule::Registry,
            what: format!("{} ({direction}: version {version} of the registry)", one.words(direction)),
            fix: remedy(&one, direction, false),
        }));
    }
    found
}

fn finding(file: &str, what: String, fix: String) -> Finding {
    Finding { file: file.to_owned(), line: 1, rule: Rule::Registry, what, fix }
}

fn subject(topic: &str, record: &Record) -> Option<String> {
    Some(wire::WriterSchema::parse(&record.0.first()?.text).ok()?.subject(topic))
}

/// The same schema, whatever its blanks and the order of its keys.
fn same(one: &str, other: &str) -> bool {
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
    parse(one).is_some_and(|one| parse(other).is_some_and(|other| one == other))
}

fn compact(text: &str) -> String {
    serde_json::from_str::<Value>(text).map_or_else(|_| text.to_owned(), |schema| schema.to_string())
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
