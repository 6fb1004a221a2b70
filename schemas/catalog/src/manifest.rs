//! `schemas/topics.yaml`: what is declared.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{Acl, Operation, Pattern, Resource, Retention};

/// Topics and users as declared.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Every topic.
    pub topics: Vec<Topic>,
    /// Every user but the super users.
    pub users: Vec<User>,
}

/// One topic as declared.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub purpose: String,
    /// The domain that answers for it.
    pub owner: String,
    /// What its records are keyed by; absent when order between records means nothing.
    #[serde(default)]
    pub key: Option<String>,
    /// How many partitions; fixed for ever.
    pub partitions: u32,
    /// Why so many.
    pub partitions_reason: String,
    /// Copies of each partition, as far as there are brokers.
    pub replicas: u32,
    /// Copies that must have a record before it counts as written, as far as there are brokers.
    pub min_in_sync_replicas: u32,
    /// How long records stay.
    pub retention: Retention,
    /// What goes when records go.
    #[serde(default)]
    pub cleanup: Cleanup,
    /// Which time counts for retention.
    #[serde(default)]
    pub timestamps: Timestamps,
    /// The consumer groups that are meant to read it.
    pub consumers: Vec<String>,
}

/// What goes when records go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cleanup {
    /// The oldest records.
    #[default]
    Delete,
    /// All but the newest record of each key.
    Compact,
}

/// Which time a record bears.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Timestamps {
    /// The producer's.
    #[default]
    Producer,
    /// The broker's on arrival.
    Arrival,
}

/// One user as declared.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// Topics it may consume.
    #[serde(default)]
    pub reads: Vec<NamePattern>,
    /// Topics it may produce to.
    #[serde(default)]
    pub writes: Vec<NamePattern>,
    /// Topics whose settings it may see.
    #[serde(default)]
    pub describes_configs: Vec<NamePattern>,
    /// Consumer groups it may be a member of.
    #[serde(default)]
    pub groups: Vec<NamePattern>,
}

/// A name, or all names that begin as the text before its final `*`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct NamePattern {
    /// How the text is meant.
    pub pattern: Pattern,
    /// The text, without the star.
    pub text: String,
}

impl TryFrom<String> for NamePattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (pattern, name) = match text.strip_suffix('*') {
            Some(prefix) => (Pattern::Prefixed, prefix),
            None => (Pattern::Literal, text.as_str()),
        };
        if is_name(name) {
            return Ok(Self { pattern, text: name.to_owned() });
        }
        Err(format!("{text:?} is neither a name nor a prefix with a star behind it"))
    }
}

impl NamePattern {
    /// Whether it stands for this name.
    pub fn matches(&self, name: &str) -> bool {
        match self.pattern {
            Pattern::Literal => self.text == name,
            Pattern::Prefixed => name.starts_with(&self.text),
        }
    }
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// No such file, or not for us.
    #[error("{} cannot be read", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Not the shape of a manifest; says where.
    #[error("{from}: {reason}")]
    Parse {
        /// Which file.
        from: String,
        /// What is wrong, with its line.
        reason: String,
    },
    /// A manifest that contradicts itself.
    #[error("{from}: {reason}")]
    Contradiction {
        /// Which file.
        from: String,
        /// What is wrong.
        reason: String,
    },
}

impl Manifest {
    /// The manifest that this program was built with.
    pub fn committed() -> Self {
        Self::parse(include_str!("../../topics.yaml"), "schemas/topics.yaml").expect("a test reads it")
    }

    /// Reads a manifest.
    pub fn load(path: &Path) -> Result<Self, ManifestError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ManifestError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads a manifest's text; `from` names it in errors.
    pub fn parse(text: &str, from: &str) -> Result<Self, ManifestError> {
        let manifest: Self = serde_saphyr::from_str(text)
            .map_err(|e| ManifestError::Parse { from: from.to_owned(), reason: e.to_string() })?;
        match manifest.contradiction() {
            None => Ok(manifest),
            Some(reason) => Err(ManifestError::Contradiction { from: from.to_owned(), reason }),
        }
    }

    /// The topic of that name.
    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.iter().find(|topic| topic.name == name)
    }

    /// The users that may write to a topic.
    pub fn writers<'a>(&'a self, topic: &'a Topic) -> impl Iterator<Item = &'a User> {
        self.users.iter().filter(|user| user.writes.iter().any(|pattern| pattern.matches(&topic.name)))
    }

    /// The access rules of all users.
    pub fn acls(&self) -> BTreeSet<Acl> {
        self.users.iter().flat_map(User::acls).collect()
    }

    fn contradiction(&self) -> Option<String> {
        let mut seen = BTreeSet::new();
        for topic in &self.topics {
            let Topic { name, partitions, replicas, min_in_sync_replicas, .. } = topic;
            if !is_name(name) {
                return Some(format!("{name:?} is no name for a topic"));
            }
            if !seen.insert(name) {
                return Some(format!("topic {name} is declared twice"));
            }
            if *partitions == 0 || *replicas == 0 || *min_in_sync_replicas == 0 {
                return Some(format!(
                    "topic {name} needs at least one partition, replica and in-sync replica"
                ));
            }
            if min_in_sync_replicas > replicas {
                return Some(format!("topic {name} asks for more in-sync replicas than replicas"));
            }
            let reads = |user: &User| user.reads.iter().any(|p| p.matches(name));
            let orphan = |group: &&String| {
                !self.users.iter().any(|user| reads(user) && user.groups.iter().any(|p| p.matches(group)))
            };
            if let Some(group) = topic.consumers.iter().find(orphan) {
                return Some(format!("no user may read topic {name} as group {group}"));
            }
        }
        let mut seen = BTreeSet::new();
        self.users
            .iter()
            .find(|u| !seen.insert(&u.name))
            .map(|u| format!("user {} is declared twice", u.name))
    }
}

impl Topic {
    /// Replicas and in-sync replicas on a cluster of that many brokers.
    pub fn copies(&self, brokers: u32) -> (u32, u32) {
        let replicas = self.replicas.min(brokers.max(1));
        (replicas, if replicas == self.replicas { self.min_in_sync_replicas } else { 1 })
    }

    /// The settings that the topic has on a cluster of that many brokers.
    pub fn settings(&self, brokers: u32) -> BTreeMap<&'static str, String> {
        let cleanup = match self.cleanup {
            Cleanup::Delete => "delete",
            Cleanup::Compact => "compact",
        };
        let timestamps = match self.timestamps {
            Timestamps::Producer => "CreateTime",
            Timestamps::Arrival => "LogAppendTime",
        };
        BTreeMap::from([
            ("cleanup.policy", cleanup.to_owned()),
            ("message.timestamp.type", timestamps.to_owned()),
            ("min.insync.replicas", self.copies(brokers).1.to_string()),
            ("retention.ms", self.retention.ms().to_string()),
        ])
    }
}

impl User {
    /// The rules that grant what is declared, and nothing more. Reading and writing imply describing.
    pub fn acls(&self) -> Vec<Acl> {
        let grants = [
            (&self.reads, Operation::Read, Resource::Topic),
            (&self.writes, Operation::Write, Resource::Topic),
            (&self.describes_configs, Operation::DescribeConfigs, Resource::Topic),
            (&self.groups, Operation::Read, Resource::Group),
        ];
        let rules = |(patterns, operation, resource): (&Vec<NamePattern>, Operation, Resource)| {
            let rule = |p: &NamePattern| Acl::allow(&self.name, operation, resource, p.pattern, &p.text);
            patterns.iter().map(rule).collect::<Vec<_>>()
        };
        grants.into_iter().flat_map(rules).collect()
    }
}

/// Kafka's rule for names.
fn is_name(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !text.is_empty() && text.len() <= 249 && text != "." && text != ".." && text.chars().all(legal)
}

#[cfg(test)]
mod tests;
