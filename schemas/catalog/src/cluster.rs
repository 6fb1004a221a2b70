//! A cluster as it was found.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{Acl, Manifest};

/// What matters of a cluster's present state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cluster {
    /// The id it was formatted with.
    pub id: String,
    /// How many brokers are up.
    pub brokers: u32,
    /// The topics that were asked for and exist.
    pub topics: BTreeMap<String, TopicState>,
    /// Every access rule.
    pub acls: BTreeSet<Acl>,
    /// Every user that has a password.
    pub users: BTreeSet<String>,
    /// The quotas of users by Kafka's names for them; looked at only for a manifest that declares some.
    pub quotas: BTreeMap<String, BTreeMap<String, u64>>,
}

/// One topic's present state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TopicState {
    /// Its partitions.
    pub partitions: u32,
    /// Copies of each partition.
    pub replicas: u32,
    /// Its settings, defaults included.
    pub settings: BTreeMap<String, String>,
}

/// What a cluster shows of the things that a manifest names: a text for each thing that is there.
pub type Observed = BTreeMap<String, String>;

impl Cluster {
    /// Brokers and nothing else.
    pub fn empty(brokers: u32) -> Self {
        Self { brokers, ..Self::default() }
    }

    /// What a plan for `manifest` depends on: its topics, also the retired ones, its users, and all their rules.
    pub fn observed(&self, manifest: &Manifest) -> Observed {
        let mut observed = BTreeMap::from([("the cluster".to_owned(), format!("{} brokers", self.brokers))]);
        let names = manifest.topics.iter().map(|topic| &topic.name);
        for name in names.chain(manifest.retired.iter().map(|retired| &retired.name)) {
            if let Some(topic) = self.topics.get(name) {
                let settings =
                    manifest.topic(name).map(|topic| topic.settings(self.brokers)).unwrap_or_default();
                observed.insert(format!("topic {name}"), topic.told(settings.keys().copied()));
            }
        }
        for user in manifest.users.iter().filter(|user| self.users.contains(&user.name)) {
            observed.insert(format!("user {}", user.name), "with a password".to_owned());
        }
        for user in manifest.users.iter().filter(|user| user.quotas.is_some()) {
            for (quota, value) in self.quotas.get(&user.name).into_iter().flatten() {
                observed.insert(format!("quota {quota} of user {}", user.name), value.to_string());
            }
        }
        let principals = manifest.principals();
        for acl in self.acls.iter().filter(|acl| principals.contains(&acl.principal)) {
            observed.insert(format!("rule '{acl}'"), "in force".to_owned());
        }
        observed
    }
}

impl TopicState {
    fn told<'a>(&self, settings: impl Iterator<Item = &'a str>) -> String {
        let counts = format!("{} partitions of {}", self.partitions, self.replicas);
        let setting = |name| format!(", {name}={}", self.settings.get(name).map_or("", String::as_str));
        settings.fold(counts, |told, name| told + &setting(name))
    }
}
