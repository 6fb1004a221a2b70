//! `schemas/topics.yaml`: what is declared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

mod check;
mod error;
mod lint;

pub use error::ManifestError;
pub use lint::TopicFinding;

use crate::{Acl, Operation, Pattern, Resource, Retention};

/// Topics and users as declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Every topic.
    pub topics: Vec<Topic>,
    /// Every user but the super users.
    pub users: Vec<User>,
    /// Topics that once were declared. A plan shows those that still exist; they go when they are told to by name.
    #[serde(default)]
    pub retired: Vec<Retired>,
}

/// A topic that once was declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retired {
    /// Its name.
    pub name: String,
    /// Why it is no longer needed, and where its records went.
    pub reason: String,
}

/// One topic as declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// How many partitions. Never fewer; more of a keyed topic move keys.
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cleanup {
    /// The oldest records.
    #[default]
    Delete,
    /// All but the newest record of each key.
    Compact,
    /// Both of these.
    #[serde(rename = "compact,delete")]
    CompactDelete,
}

/// Which time a record bears.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Timestamps {
    /// The producer's.
    #[default]
    Producer,
    /// The broker's on arrival.
    Arrival,
}

/// One user as declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// How much it may ask of each broker; `None`: whatever the cluster says is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quotas: Option<Quotas>,
}

/// How much a user may ask of each broker. What is left out is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quotas {
    /// Bytes it may produce in a second.
    pub produce_bytes_s: Option<u64>,
    /// Bytes it may fetch in a second.
    pub fetch_bytes_s: Option<u64>,
    /// Per cent of the time of one of the broker's threads that its requests may take.
    pub request_percent: Option<u64>,
}

impl Quotas {
    /// By Kafka's names for them.
    pub fn by_name(&self) -> BTreeMap<&'static str, Option<u64>> {
        BTreeMap::from([
            ("consumer_byte_rate", self.fetch_bytes_s),
            ("producer_byte_rate", self.produce_bytes_s),
            ("request_percentage", self.request_percent),
        ])
    }
}

/// A name, or all names that begin as the text before its final `*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
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

impl From<NamePattern> for String {
    fn from(pattern: NamePattern) -> Self {
        pattern.to_string()
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.pattern == Pattern::Prefixed { "*" } else { "" };
        write!(f, "{}{star}", self.text)
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
        match check::contradiction(&manifest) {
            None => Ok(manifest),
            Some((entry, reason)) => {
                let (from, line) = (from.to_owned(), check::line(text, entry));
                Err(ManifestError::Contradiction { from, line, reason })
            }
        }
    }

    /// With what another manifest declares: its topics, and for users that both declare the rules of both.
    pub fn with(mut self, other: Self) -> Result<Self, ManifestError> {
        self.topics.extend(other.topics);
        self.retired.extend(other.retired);
        for user in other.users {
            match self.users.iter_mut().find(|known| known.name == user.name) {
                None => self.users.push(user),
                Some(known) => known.add(user),
            }
        }
        match check::contradiction(&self) {
            None => Ok(self),
            Some((_, reason)) => Err(ManifestError::Together { reason }),
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

    /// The user of that name.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    /// SHA-256 of what it declares, in hexadecimal; comments and the order of keys do not count.
    pub fn digest(&self) -> String {
        crate::digest(self)
    }

    /// The users as access rules name them.
    pub fn principals(&self) -> BTreeSet<String> {
        self.users.iter().map(|user| format!("User:{}", user.name)).collect()
    }

    /// The access rules of all users.
    pub fn acls(&self) -> BTreeSet<Acl> {
        self.users.iter().flat_map(User::acls).collect()
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
            Cleanup::CompactDelete => "compact,delete",
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
    /// With the rules of another declaration of the same user; its own purpose and quotas stay.
    fn add(&mut self, other: Self) {
        for (rules, more) in [
            (&mut self.reads, other.reads),
            (&mut self.writes, other.writes),
            (&mut self.describes_configs, other.describes_configs),
            (&mut self.groups, other.groups),
        ] {
            for rule in more {
                if !rules.contains(&rule) {
                    rules.push(rule);
                }
            }
        }
        self.quotas = self.quotas.take().or(other.quotas);
    }

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
