//! What a manifest must not say.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Spanned;

use super::{Manifest, Topic, User, is_name};

/// Which entry of the manifest.
#[derive(Debug, Clone, Copy)]
pub(super) enum Entry {
    Topic(usize),
    User(usize),
    Retired(usize),
}

/// The first entry that cannot be, and why.
pub(super) fn contradiction(manifest: &Manifest) -> Option<(Entry, String)> {
    topics(manifest).or_else(|| users(manifest)).or_else(|| retired(manifest))
}

fn topics(manifest: &Manifest) -> Option<(Entry, String)> {
    let mut seen = BTreeSet::new();
    manifest.topics.iter().enumerate().find_map(|(at, topic)| {
        let reason = match seen.insert(&topic.name) {
            true => of_a_topic(topic, &manifest.users),
            false => Some(format!("topic {} is declared twice", topic.name)),
        };
        reason.map(|reason| (Entry::Topic(at), reason))
    })
}

fn of_a_topic(topic: &Topic, users: &[User]) -> Option<String> {
    let Topic { name, partitions, replicas, min_in_sync_replicas, .. } = topic;
    if !is_name(name) {
        return Some(format!("{name:?} is no name for a topic"));
    }
    if *partitions == 0 || *replicas == 0 || *min_in_sync_replicas == 0 {
        return Some(format!("topic {name} needs at least one partition, replica and in-sync replica"));
    }
    if min_in_sync_replicas > replicas {
        return Some(format!("topic {name} asks for more in-sync replicas than replicas"));
    }
    let reads = |user: &User| user.reads.iter().any(|p| p.matches(name));
    let orphan = |group: &&String| {
        !users.iter().any(|user| reads(user) && user.groups.iter().any(|p| p.matches(group)))
    };
    let group = topic.consumers.iter().find(orphan)?;
    Some(format!("no user may read topic {name} as group {group}"))
}

fn users(manifest: &Manifest) -> Option<(Entry, String)> {
    let mut variables = BTreeMap::new();
    manifest.users.iter().enumerate().find_map(|(at, User { name, .. })| {
        let reason = if !is_name(name) {
            format!("{name:?} is no name for a user")
        } else {
            let variable = crate::Passwords::variable(name);
            match variables.insert(variable.clone(), name) {
                None => return None,
                Some(other) if other == name => format!("user {name} is declared twice"),
                Some(other) => {
                    format!("users {other} and {name} would both have their password in {variable}")
                }
            }
        };
        Some((Entry::User(at), reason))
    })
}

fn retired(manifest: &Manifest) -> Option<(Entry, String)> {
    let mut seen = BTreeSet::new();
    manifest.retired.iter().enumerate().find_map(|(at, retired)| {
        let name = &retired.name;
        let reason = if manifest.topic(name).is_some() {
            format!("topic {name} is declared and retired")
        } else if !seen.insert(name) {
            format!("topic {name} is retired twice")
        } else if !is_name(name) || name.starts_with("__") {
            format!("{name:?} is no name for a topic that could have been declared")
        } else {
            return None;
        };
        Some((Entry::Retired(at), reason))
    })
}

#[derive(Deserialize)]
struct Places {
    topics: Vec<Spanned<IgnoredAny>>,
    users: Vec<Spanned<IgnoredAny>>,
    #[serde(default)]
    retired: Vec<Spanned<IgnoredAny>>,
}

/// Where an entry begins; the first line when the text does not tell.
pub(super) fn line(text: &str, entry: Entry) -> u64 {
    let Ok(places) = serde_saphyr::from_str::<Places>(text) else { return 1 };
    let place = match entry {
        Entry::Topic(at) => places.topics.get(at),
        Entry::User(at) => places.users.get(at),
        Entry::Retired(at) => places.retired.get(at),
    };
    place.map_or(1, |place| place.referenced.line())
}
