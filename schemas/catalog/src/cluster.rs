//! A cluster as it was found.

use std::collections::{BTreeMap, BTreeSet};

use crate::Acl;

/// What matters of a cluster's present state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    /// How many brokers are up.
    pub brokers: u32,
    /// The topics that were asked for and exist.
    pub topics: BTreeMap<String, TopicState>,
    /// Every access rule.
    pub acls: BTreeSet<Acl>,
}

/// One topic's present state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicState {
    /// Its partitions.
    pub partitions: u32,
    /// Copies of each partition.
    pub replicas: u32,
    /// Its settings, defaults included.
    pub settings: BTreeMap<String, String>,
    /// The names of those settings that were set on the topic itself.
    pub overridden: BTreeSet<String>,
}

impl Cluster {
    /// Brokers and nothing else.
    pub fn empty(brokers: u32) -> Self {
        Self { brokers, ..Self::default() }
    }
}
