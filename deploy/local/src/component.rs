use std::fmt;

use serde::{Deserialize, Serialize};

/// A server of a stack, in the order in which they start. Five of them every stack has.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Component {
    /// The event store, the views, and the registry's storage.
    Postgres,
    /// A standby of it, where there is to be one.
    PostgresReplica,
    /// The live views.
    Redis,
    /// Its replica, or the second node of its cluster.
    Redis2,
    /// The third node of a cluster, and the last of its primaries.
    Redis3,
    /// The fourth node, which replicates the first.
    Redis4,
    /// The fifth node, which replicates the second.
    Redis5,
    /// The sixth node, which replicates the third.
    Redis6,
    /// One broker that is its own controller.
    Kafka,
    /// Apicurio behind its Confluent-compatible interface.
    Registry,
    /// A Kafka Connect worker with Debezium.
    Connect,
}

impl Component {
    /// All there may be, in the order in which they start; they end in the opposite one.
    pub const ALL: [Self; 11] = [
        Self::Postgres,
        Self::PostgresReplica,
        Self::Redis,
        Self::Redis2,
        Self::Redis3,
        Self::Redis4,
        Self::Redis5,
        Self::Redis6,
        Self::Kafka,
        Self::Registry,
        Self::Connect,
    ];

    /// The servers of Redis: of a cluster the primaries come first, and the replica of each stands three behind it.
    pub const REDIS: [Self; 6] =
        [Self::Redis, Self::Redis2, Self::Redis3, Self::Redis4, Self::Redis5, Self::Redis6];

    /// Whether it is a Java program, and so needs what is fetched.
    pub const fn is_java(self) -> bool {
        matches!(self, Self::Kafka | Self::Registry | Self::Connect)
    }

    /// The name of its folder, of its log and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::PostgresReplica => "postgres-replica",
            Self::Redis => "redis",
            Self::Redis2 => "redis2",
            Self::Redis3 => "redis3",
            Self::Redis4 => "redis4",
            Self::Redis5 => "redis5",
            Self::Redis6 => "redis6",
            Self::Kafka => "kafka",
            Self::Registry => "registry",
            Self::Connect => "connect",
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
