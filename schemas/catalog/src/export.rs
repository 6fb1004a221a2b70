//! A cluster's present state as a manifest.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Acl, Cleanup, Cluster, Manifest, NamePattern, Operation, Pattern, Permission, Resource, Retention,
    Timestamps, Topic, TopicState, User,
};

mod yaml;

/// A manifest that plans to nothing, and what it cannot say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// What the cluster has. Purposes, owners, reasons and keys are for people to fill in.
    pub manifest: Manifest,
    /// Topics and users that a manifest cannot describe, each with the reason.
    pub left_out: Vec<String>,
}

/// Topics whose names begin with `prefix`, and users whose own names do, or who have a rule about such a topic or
/// group. A user comes with all its rules, or not at all.
pub fn export(cluster: &Cluster, prefix: &str) -> Exported {
    let mut left_out = Vec::new();
    let mut topics = Vec::new();
    for (name, found) in cluster.topics.iter().filter(|(name, _)| name.starts_with(prefix)) {
        match topic(name, found, cluster.brokers) {
            Ok(topic) => topics.push(topic),
            Err(reason) => left_out.push(format!("topic {name}: {reason}")),
        }
    }
    let mut users = Vec::new();
    for (name, acls) in candidates(cluster, prefix) {
        match user(name, &acls, cluster) {
            Ok(user) => users.push(user),
            Err(reason) => left_out.push(format!("user {name}: {reason}")),
        }
    }
    Exported { manifest: Manifest { topics, users, retired: Vec::new() }, left_out }
}

impl Exported {
    /// As the text of a manifest, what was left out as comments.
    pub fn to_yaml(&self) -> String {
        yaml::text(self)
    }
}

/// Users with their rules.
fn candidates<'a>(cluster: &'a Cluster, prefix: &str) -> BTreeMap<&'a str, BTreeSet<&'a Acl>> {
    let mut users: BTreeMap<&str, BTreeSet<&Acl>> =
        cluster.users.iter().map(|user| (user.as_str(), BTreeSet::new())).collect();
    for acl in &cluster.acls {
        if let Some(user) = acl.principal.strip_prefix("User:") {
            users.entry(user).or_default().insert(acl);
        }
    }
    let about =
        |acl: &Acl| matches!(acl.resource, Resource::Topic | Resource::Group) && acl.name.starts_with(prefix);
    users.retain(|user, acls| user.starts_with(prefix) || acls.iter().any(|acl| about(acl)));
    users
}

fn topic(name: &str, found: &TopicState, brokers: u32) -> Result<Topic, String> {
    let setting = |name: &str| found.settings.get(name).map_or("", String::as_str);
    let cleanup = match setting("cleanup.policy") {
        "delete" => Cleanup::Delete,
        "compact" => Cleanup::Compact,
        "compact,delete" => Cleanup::CompactDelete,
        other => return Err(format!("its cleanup.policy is {other:?}")),
    };
    let retention = match setting("retention.ms").parse::<i64>() {
        Ok(-1) => Retention::Forever,
        Ok(ms) if ms > 0 => Retention::Millis(ms.unsigned_abs()),
        _ => return Err(format!("its retention.ms is {:?}", setting("retention.ms"))),
    };
    let timestamps = match setting("message.timestamp.type") {
        "LogAppendTime" => Timestamps::Arrival,
        _ => Timestamps::Producer,
    };
    let in_sync = setting("min.insync.replicas");
    let min_in_sync_replicas =
        in_sync.parse().map_err(|_| format!("its min.insync.replicas is {in_sync:?}"))?;
    if found.replicas > brokers || min_in_sync_replicas > found.replicas {
        let copies = format!("{} replicas, {in_sync} of them in sync", found.replicas);
        return Err(format!("it asks for {copies}, of {brokers} brokers that are up"));
    }
    Ok(Topic {
        name: name.to_owned(),
        purpose: "unknown".to_owned(),
        owner: "unknown".to_owned(),
        key: Some("unknown".to_owned()), // so nothing takes its partitions for ones that may change
        partitions: found.partitions,
        partitions_reason: "unknown".to_owned(),
        replicas: found.replicas,
        min_in_sync_replicas,
        retention,
        cleanup,
        timestamps,
        consumers: Vec::new(),
    })
}

fn user(name: &str, acls: &BTreeSet<&Acl>, cluster: &Cluster) -> Result<User, String> {
    if !cluster.users.contains(name) {
        return Err("it has rules, but no password to log in with".to_owned());
    }
    let mut user = User {
        name: name.to_owned(),
        purpose: "unknown".to_owned(),
        reads: Vec::new(),
        writes: Vec::new(),
        describes_configs: Vec::new(),
        groups: Vec::new(),
        quotas: None,
    };
    for acl in acls {
        let unsayable = || format!("a manifest has no words for '{acl}'");
        let list = match (acl.resource, acl.operation) {
            _ if acl.permission == Permission::Deny || acl.host != "*" => return Err(unsayable()),
            (Resource::Topic, Operation::Read) => &mut user.reads,
            (Resource::Topic, Operation::Write) => &mut user.writes,
            (Resource::Topic, Operation::DescribeConfigs) => &mut user.describes_configs,
            (Resource::Group, Operation::Read) => &mut user.groups,
            _ => return Err(unsayable()),
        };
        let star = if acl.pattern == Pattern::Prefixed { "*" } else { "" };
        let pattern = NamePattern::try_from(format!("{}{star}", acl.name)).map_err(|_| unsayable())?;
        if (pattern.pattern, &pattern.text) != (acl.pattern, &acl.name) {
            return Err(unsayable()); // a literal star means every name
        }
        list.push(pattern);
    }
    Ok(user)
}

#[cfg(test)]
mod tests;
