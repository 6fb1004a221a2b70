//! What would have to change.

use std::collections::BTreeMap;
use std::fmt;

use crate::{Acl, Cluster, Manifest, Topic, TopicState};

/// The difference between a manifest and a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// What will not be done; while there is any, nothing is.
    pub refusals: Vec<Refusal>,
    /// What is as declared already: topics and rules.
    pub unchanged: usize,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// A rule that is missing.
    Grant(Acl),
    /// A rule of a declared user that nobody declared.
    Revoke(Acl),
}

/// A difference that nobody may remove by machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Partitions are for ever.
    #[error(
        "topic {topic} has {found} partitions, not {declared}: a change would move keys to other partitions and \
         break the order of their events; declare {found}, or move to a new topic"
    )]
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
}

/// Compares. Pure: the same two give the same plan.
pub fn plan(manifest: &Manifest, cluster: &Cluster) -> Plan {
    let mut plan = Plan::default();
    for topic in &manifest.topics {
        match cluster.topics.get(&topic.name) {
            None => plan.steps.push(creation(topic, cluster.brokers)),
            Some(found) => plan.compare(topic, found, cluster.brokers),
        }
    }
    let declared = manifest.acls();
    let principals: Vec<_> = manifest.users.iter().map(|user| format!("User:{}", user.name)).collect();
    for acl in &declared {
        if cluster.acls.contains(acl) {
            plan.unchanged += 1
        } else {
            plan.steps.push(Step::Grant(acl.clone()))
        }
    }
    let undeclared = |acl: &&Acl| principals.contains(&acl.principal) && !declared.contains(*acl);
    plan.steps.extend(cluster.acls.iter().filter(undeclared).cloned().map(Step::Revoke));
    plan
}

impl Plan {
    /// Whether the cluster is as declared.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.refusals.is_empty()
    }

    fn compare(&mut self, topic: &Topic, found: &TopicState, brokers: u32) {
        let before = self.steps.len() + self.refusals.len();
        let name = topic.name.clone();
        let (replicas, _) = topic.copies(brokers);
        if found.partitions != topic.partitions {
            self.refusals.push(Refusal::Partitions {
                topic: name.clone(),
                declared: topic.partitions,
                found: found.partitions,
            });
        }
        if found.replicas < replicas {
            let found = found.replicas;
            self.refusals.push(Refusal::Replicas { topic: name.clone(), declared: replicas, found });
        }
        for (setting, to) in topic.settings(brokers) {
            let from = found.settings.get(setting).cloned();
            if from.as_ref() != Some(&to) {
                self.steps.push(Step::Set { topic: name.clone(), setting, from, to });
            }
        }
        if self.steps.len() + self.refusals.len() == before {
            self.unchanged += 1;
        }
    }
}

fn creation(topic: &Topic, brokers: u32) -> Step {
    Step::CreateTopic {
        name: topic.name.clone(),
        partitions: topic.partitions,
        replicas: topic.copies(brokers).0,
        settings: topic.settings(brokers),
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateTopic { name, partitions, replicas, settings } => {
                write!(f, "create topic {name} with {partitions} partitions of {replicas}")?;
                settings.iter().try_for_each(|(setting, value)| write!(f, ", {setting}={value}"))
            }
            Self::Set { topic, setting, from, to } => {
                write!(
                    f,
                    "set {setting} of topic {topic} from {} to {to}",
                    from.as_deref().unwrap_or("nothing")
                )
            }
            Self::Grant(acl) => write!(f, "grant: {acl}"),
            Self::Revoke(acl) => write!(f, "revoke: {acl}"),
        }
    }
}

#[cfg(test)]
mod tests;
