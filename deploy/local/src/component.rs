use std::fmt;

use serde::{Deserialize, Serialize};

/// What a stack consists of, in the order in which it starts.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Component {
    /// The event store, the views, and the registry's storage.
    Postgres,
    /// The live views.
    Redis,
    /// One broker that is its own controller.
    Kafka,
    /// Apicurio behind its Confluent-compatible interface.
    Registry,
    /// A Kafka Connect worker with Debezium.
    Connect,
}

impl Component {
    /// All of them, in the order in which they start; they end in the opposite one.
    pub const ALL: [Self; 5] = [Self::Postgres, Self::Redis, Self::Kafka, Self::Registry, Self::Connect];

    /// Whether it is a Java program, and so needs what is fetched.
    pub const fn is_java(self) -> bool {
        matches!(self, Self::Kafka | Self::Registry | Self::Connect)
    }

    /// The name of its folder, of its log and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
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
