//! What a plan will not do.

use serde::{Serialize, Serializer};

use super::topic::Keeps;
use crate::{Manifest, Permits};

/// A difference that nobody may remove by machine, or not without saying so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Partitions never become fewer, and those of a keyed topic do not become more by themselves.
    #[error("topic {topic} has {found} partitions, not {declared}: {}", partitions(topic, *declared, *found))]
    Partitions {
        /// The topic.
        topic: String,
        /// In the manifest.
        declared: u32,
        /// On the cluster.
        found: u32,
    },
    /// Moving replicas is an operator's job.
    #[error("topic {topic} has {found} replicas, not {declared}: reassign them with Kafka's own tool")]
    Replicas {
        /// The topic.
        topic: String,
        /// In the manifest, as far as there are brokers.
        declared: u32,
        /// On the cluster.
        found: u32,
    },
    /// Records would go that are kept now.
    #[error("topic {topic} would keep {to} instead of {from}; --shrink-retention {topic} allows it")]
    Shrinks {
        /// The topic.
        topic: String,
        /// What it keeps.
        from: Keeps,
        /// What it would keep.
        to: Keeps,
    },
    /// A permit for something that the manifest does not name.
    #[error("{flag} {name} permits nothing: the manifest has no {kind} of that name")]
    Unknown {
        /// The permit.
        flag: &'static str,
        /// What it names.
        name: String,
        /// What that should be.
        kind: &'static str,
    },
}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn partitions(topic: &str, declared: u32, found: u32) -> String {
    if declared < found {
        return format!("partitions are never removed; declare {found}, or move to a new topic");
    }
    format!(
        "a change would move keys to other partitions and break the order of their events; declare {found}, move to a \
         new topic, or accept it with --grow-keyed {topic}"
    )
}

/// A name with a typing error must not pass for a permit that was not needed.
pub(super) fn of_permits(manifest: &Manifest, permits: &Permits) -> Vec<Refusal> {
    let retired = |name: &str| manifest.retired.iter().any(|retired| retired.name == name);
    let topic = |name: &str| manifest.topic(name).is_some();
    let user = |name: &str| manifest.user(name).is_some();
    type Known<'a> = (&'a [String], &'static str, &'static str, &'a dyn Fn(&str) -> bool);
    let known: [Known<'_>; 4] = [
        (&permits.delete_topic, "--delete-topic", "retired topic", &retired),
        (&permits.shrink_retention, "--shrink-retention", "topic", &topic),
        (&permits.grow_keyed, "--grow-keyed", "topic", &topic),
        (&permits.rotate_password, "--rotate-password", "user", &user),
    ];
    let unknown = |(names, flag, kind, exists): Known<'_>| {
        let unknown = names.iter().filter(|name| !exists(name)).cloned();
        unknown.map(|name| Refusal::Unknown { flag, name, kind }).collect::<Vec<_>>()
    };
    known.into_iter().flat_map(unknown).collect()
}
