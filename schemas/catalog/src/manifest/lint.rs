//! What a manifest may say and should not: it would be carried out, and events would be lost or stand still.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::check::{Entry, line};
use super::{Cleanup, Manifest, Topic};
use crate::Pattern;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicFinding {
    /// The line where the entry begins, from 1.
    pub line: u64,
    /// What is wrong, and what comes of it.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

impl fmt::Display for TopicFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}\n  fix: {}", self.line, self.what, self.fix)
    }
}

impl Manifest {
    /// What should not be as it is declared, in the order of the text that the manifest was read from. `event_topics` are the
    /// topics that have schemas.
    pub fn lint(&self, text: &str, event_topics: &BTreeSet<String>) -> Vec<TopicFinding> {
        let mut findings = vec![];
        let mut found = |line, what: String, fix: String| findings.push(TopicFinding { line, what, fix });
        for name in event_topics.iter().filter(|name| self.topic(name).is_none()) {
            found(
                1,
                format!("topic {name} has schemas and is not declared: its events would stop the connector"),
                format!("declare {name} under topics, and under writes of the user connect"),
            );
        }
        for (at, topic) in self.topics.iter().enumerate() {
            let of_events = if event_topics.contains(&topic.name) { self.of_events(topic) } else { vec![] };
            for (what, fix) in of_events.into_iter().chain(self.of_any(topic)) {
                found(line(text, Entry::Topic(at)), format!("topic {} {what}", topic.name), fix);
            }
        }
        for (at, user) in self.users.iter().enumerate() {
            let is_of_events =
                |name: &&String| event_topics.iter().any(|topic| topic.starts_with(name.as_str()));
            let prefixes = user.writes.iter().filter(|pattern| pattern.pattern == Pattern::Prefixed);
            for prefix in prefixes.map(|prefix| &prefix.text).filter(is_of_events) {
                found(
                    line(text, Entry::User(at)),
                    format!(
                        "user {} may write every topic {prefix}*: Connect waits without end for one that nobody declared",
                        user.name
                    ),
                    "name each topic that it writes".to_owned(),
                );
            }
        }
        findings
    }

    /// Of a topic that carries events.
    fn of_events(&self, topic: &Topic) -> Vec<(String, String)> {
        let mut found = vec![];
        let mut check = |is_wrong: bool, what: &str, fix: &str| {
            if is_wrong {
                found.push((what.to_owned(), fix.to_owned()));
            }
        };
        check(
            topic.key.is_none(),
            "has no key: events of one aggregate would lose their order",
            "add `key: aggregate id`",
        );
        check(
            topic.cleanup != Cleanup::Delete,
            "is compacted: of each aggregate all events but the last would be lost",
            "leave `cleanup` out",
        );
        check(
            self.writers(topic).next().is_none(),
            "has events that nobody may write: the connector would stop",
            "name it under writes of the user connect",
        );
        found
    }

    fn of_any(&self, topic: &Topic) -> Vec<(String, String)> {
        let mut found = vec![];
        let Topic { replicas, min_in_sync_replicas, .. } = topic;
        if *replicas > 1 && min_in_sync_replicas == replicas {
            found.push((
                "takes no record while any one broker is away".to_owned(),
                format!("set `min_in_sync_replicas: {}`", replicas - 1),
            ));
        }
        if *replicas > 2 && *min_in_sync_replicas == 1 {
            found.push((
                "may lose what it has accepted with one broker".to_owned(),
                "set `min_in_sync_replicas: 2`".to_owned(),
            ));
        }
        for group in &topic.consumers {
            let dead_letters = format!("{group}.dlq");
            if self.topic(&dead_letters).is_none_or(|topic| self.writers(topic).next().is_none()) {
                found.push((
                    format!(
                        "is read by {group}, which has no topic for what it parks that somebody may write"
                    ),
                    format!("declare {dead_letters} under topics, and under writes of the user dead-letters"),
                ));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "
topics:
  - name: a.b.events
    purpose: p
    owner: o
    key: aggregate id
    partitions: 12
    partitions_reason: r
    replicas: 3
    min_in_sync_replicas: 2
    retention: 30d
    consumers: [views-x]
  - name: views-x.dlq
    purpose: p
    owner: o
    partitions: 1
    partitions_reason: r
    replicas: 3
    min_in_sync_replicas: 2
    retention: 30d
    consumers: []
users:
  - name: connect
    purpose: p
    writes: [a.b.events, views-x.dlq]
  - name: reader
    purpose: p
    reads: [a.*]
    groups: [views-*]
";

    fn findings(text: &str) -> Vec<(u64, String)> {
        let manifest = Manifest::parse(text, "m.yaml").unwrap();
        let found = manifest.lint(text, &BTreeSet::from(["a.b.events".to_owned()]));
        found.into_iter().map(|finding| (finding.line, finding.what)).collect()
    }

    #[test]
    fn a_sound_manifest_has_no_finding() {
        assert_eq!(findings(SOUND), []);
    }

    #[test]
    fn each_way_to_lose_events_or_to_stand_still_is_named_with_its_line() {
        for (from, to, line, word) in [
            ("name: a.b.events", "name: a.b.eventz", 1, "a.b.events has schemas and is not declared"),
            ("    key: aggregate id\n", "", 3, "has no key"),
            ("retention: 30d\n", "retention: forever\n    cleanup: compact\n", 3, "is compacted"),
            ("[a.b.events, ", "[", 3, "nobody may write"),
            ("min_in_sync_replicas: 2", "min_in_sync_replicas: 3", 3, "while any one broker is away"),
            ("min_in_sync_replicas: 2", "min_in_sync_replicas: 1", 3, "may lose what it has accepted"),
            ("name: views-x.dlq", "name: views-y.dlq", 3, "is read by views-x"),
            (", views-x.dlq]", "]", 3, "that somebody may write"),
            ("[a.b.events,", "[a.*,", 23, "may write every topic a.*"),
        ] {
            assert!(SOUND.contains(from), "{from}");
            let found = findings(&SOUND.replacen(from, to, 1));
            assert!(found.iter().any(|(at, what)| *at == line && what.contains(word)), "{to}: {found:?}");
        }
    }
}
