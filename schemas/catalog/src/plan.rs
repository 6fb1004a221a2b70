//! What would have to change.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::{Acl, Cluster, Manifest, Permits};

mod refusal;
mod topic;

pub use refusal::Refusal;
pub use topic::Keeps;

/// The difference between a manifest and a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// What will not be done; while there is any, nothing is.
    pub refusals: Vec<Refusal>,
    /// Retired topics that still exist and are left alone: nobody said to delete them.
    pub kept: Vec<Kept>,
    /// What is as declared already: topics, users, quotas and rules.
    pub unchanged: usize,
}

/// A retired topic that still exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Its name.
    pub topic: String,
    /// Why it was retired.
    pub reason: String,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Step {
    /// A topic that does not exist yet.
    CreateTopic {
        /// Its name.
        name: String,
        /// Its partitions.
        partitions: u32,
        /// Copies of each.
        replicas: u32,
        /// Its settings.
        settings: BTreeMap<&'static str, String>,
    },
    /// More partitions for a topic.
    GrowTopic {
        /// The topic.
        topic: String,
        /// How many it has.
        from: u32,
        /// How many it shall have.
        to: u32,
    },
    /// A setting of a topic that is another one.
    Set {
        /// The topic.
        topic: String,
        /// Kafka's name for the setting.
        setting: &'static str,
        /// What it is.
        from: Option<String>,
        /// What it shall be.
        to: String,
    },
    /// A user without a password gets one.
    CreateUser {
        /// The user.
        user: String,
    },
    /// A user gets another password.
    RotatePassword {
        /// The user.
        user: String,
    },
    /// How much a user may ask of each broker is another amount; `None`: any.
    Limit {
        /// The user.
        user: String,
        /// Kafka's name for the quota.
        quota: &'static str,
        /// What it is.
        from: Option<u64>,
        /// What it shall be.
        to: Option<u64>,
    },
    /// A rule that is missing.
    Grant(Acl),
    /// A rule of a declared user that nobody declared.
    Revoke(Acl),
    /// A retired topic goes, and its records with it.
    DeleteTopic {
        /// Its name.
        name: String,
    },
}

/// Compares. Pure: the same three give the same plan.
pub fn plan(manifest: &Manifest, cluster: &Cluster, permits: &Permits) -> Plan {
    let mut plan = Plan { refusals: refusal::of_permits(manifest, permits), ..Plan::default() };
    for topic in &manifest.topics {
        match cluster.topics.get(&topic.name) {
            None => plan.steps.push(topic::creation(topic, cluster.brokers)),
            Some(found) => plan.compare(topic, found, cluster.brokers, permits),
        }
    }
    plan.users(manifest, cluster, permits);
    plan.quotas(manifest, cluster);
    plan.rules(manifest, cluster);
    for retired in manifest.retired.iter().filter(|retired| cluster.topics.contains_key(&retired.name)) {
        let topic = retired.name.clone();
        if permits.delete_topic.contains(&topic) {
            plan.steps.push(Step::DeleteTopic { name: topic });
        } else {
            plan.kept.push(Kept { topic, reason: retired.reason.clone() });
        }
    }
    plan
}

impl Plan {
    /// Whether the cluster is as declared.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.refusals.is_empty()
    }

    fn users(&mut self, manifest: &Manifest, cluster: &Cluster, permits: &Permits) {
        for user in manifest.users.iter().map(|user| user.name.clone()) {
            if !cluster.users.contains(&user) {
                self.steps.push(Step::CreateUser { user });
            } else if permits.rotate_password.contains(&user) {
                self.steps.push(Step::RotatePassword { user });
            } else {
                self.unchanged += 1;
            }
        }
    }

    fn quotas(&mut self, manifest: &Manifest, cluster: &Cluster) {
        for user in &manifest.users {
            let Some(quotas) = &user.quotas else { continue };
            for (quota, to) in quotas.by_name() {
                let from = cluster.quotas.get(&user.name).and_then(|quotas| quotas.get(quota).copied());
                if from != to {
                    self.steps.push(Step::Limit { user: user.name.clone(), quota, from, to });
                } else if to.is_some() {
                    self.unchanged += 1;
                }
            }
        }
    }

    fn rules(&mut self, manifest: &Manifest, cluster: &Cluster) {
        let (declared, principals) = (manifest.acls(), manifest.principals());
        for acl in &declared {
            if cluster.acls.contains(acl) {
                self.unchanged += 1
            } else {
                self.steps.push(Step::Grant(acl.clone()))
            }
        }
        let undeclared = |acl: &&Acl| principals.contains(&acl.principal) && !declared.contains(*acl);
        self.steps.extend(cluster.acls.iter().filter(undeclared).cloned().map(Step::Revoke));
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateTopic { name, partitions, replicas, settings } => {
                write!(f, "create topic {name} with {partitions} partitions of {replicas}")?;
                settings.iter().try_for_each(|(setting, value)| write!(f, ", {setting}={value}"))
            }
            Self::GrowTopic { topic, from, to } => {
                write!(f, "grow topic {topic} from {from} to {to} partitions")
            }
            Self::Set { topic, setting, from, to } => {
                write!(
                    f,
                    "set {setting} of topic {topic} from {} to {to}",
                    from.as_deref().unwrap_or("nothing")
                )
            }
            Self::CreateUser { user } => write!(f, "create user {user}"),
            Self::RotatePassword { user } => write!(f, "replace the password of user {user}"),
            Self::Limit { user, quota, from, to } => {
                write!(f, "set {quota} of user {user} from {} to {}", told(*from), told(*to))
            }
            Self::Grant(acl) => write!(f, "grant: {acl}"),
            Self::Revoke(acl) => write!(f, "revoke: {acl}"),
            Self::DeleteTopic { name } => write!(f, "delete topic {name} with all its records"),
        }
    }
}

/// A quota in words.
fn told(quota: Option<u64>) -> String {
    quota.map_or("no limit".to_owned(), |quota| quota.to_string())
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, reason } = self;
        write!(f, "topic {topic} is retired ({reason}) and still there; --delete-topic {topic} deletes it")
    }
}

#[cfg(test)]
mod tests;
