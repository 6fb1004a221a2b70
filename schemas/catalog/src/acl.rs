//! One access rule.

use std::fmt;

use serde::Serialize;

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Topics.
    Topic,
    /// Consumer groups.
    Group,
    /// The cluster as a whole.
    Cluster,
    /// Transactional ids.
    TransactionalId,
}

/// How a rule's name is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    /// Exactly that name.
    Literal,
    /// Every name that begins so.
    Prefixed,
}

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Everything.
    All,
    /// Consume, or be a member of a group; implies describing.
    Read,
    /// Produce; implies describing.
    Write,
    /// Create.
    Create,
    /// Delete.
    Delete,
    /// Alter; implies describing.
    Alter,
    /// Look at.
    Describe,
    /// What brokers do among themselves.
    ClusterAction,
    /// Look at settings.
    DescribeConfigs,
    /// Change settings.
    AlterConfigs,
    /// Produce idempotently; writing any topic implies it.
    IdempotentWrite,
}

/// Whether a rule gives or takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// It gives.
    Allow,
    /// It takes.
    Deny,
}

/// One access rule of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Acl {
    /// Whose rule, such as `User:projector`.
    pub principal: String,
    /// What it is about.
    pub resource: Resource,
    /// How the name is meant.
    pub pattern: Pattern,
    /// Which one.
    pub name: String,
    /// What may be done with it.
    pub operation: Operation,
    /// Whether it may, or may not.
    pub permission: Permission,
    /// From where; `*` from anywhere.
    pub host: String,
}

impl Acl {
    /// `user` may do this from anywhere.
    pub fn allow(
        user: &str,
        operation: Operation,
        resource: Resource,
        pattern: Pattern,
        name: impl Into<String>,
    ) -> Self {
        Self {
            principal: format!("User:{user}"),
            resource,
            pattern,
            name: name.into(),
            operation,
            permission: Permission::Allow,
            host: "*".to_owned(),
        }
    }
}

impl fmt::Display for Acl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.permission {
            Permission::Allow => "may",
            Permission::Deny => "may not",
        };
        let resource = match self.resource {
            Resource::Topic => "topic",
            Resource::Group => "group",
            Resource::Cluster => "cluster",
            Resource::TransactionalId => "transactional id",
        };
        let star = if self.pattern == Pattern::Prefixed { "*" } else { "" };
        write!(f, "{} {verb} {:?} {resource} {}{star}", self.principal, self.operation, self.name)?;
        if self.host == "*" { Ok(()) } else { write!(f, " from {}", self.host) }
    }
}
