//! Where the cluster is, and as whom to change it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use rdkafka::ClientConfig;

/// How to reach a cluster as its administrator.
#[derive(Clone, Args)]
pub struct KafkaAdminConfig {
    /// Brokers to begin with, such as `127.0.0.1:9092`, separated by commas
    #[arg(long, env = "MILLRACE_KAFKA_BOOTSTRAP")]
    pub kafka_bootstrap: String,

    /// How to talk to the brokers
    #[arg(long, env = "MILLRACE_KAFKA_SECURITY", value_enum, default_value_t = Security::SaslPlaintext)]
    pub kafka_security: Security,

    /// The user who may change topics and access rules
    #[arg(long, env = "MILLRACE_KAFKA_ADMIN_USER", default_value = "admin")]
    pub kafka_admin_user: String,

    /// The password of that user; better given by the environment than by the command line
    #[arg(long, env = "MILLRACE_KAFKA_ADMIN_PASSWORD", hide_env_values = true)]
    pub kafka_admin_password: String,

    /// The id that the cluster must have; with another one nothing is looked at and nothing is changed
    #[arg(long, env = "MILLRACE_KAFKA_CLUSTER_ID", value_name = "ID")]
    pub cluster_id: Option<String>,

    /// Kafka's own program for quotas, `kafka-configs.sh`, which librdkafka has no request for; needed only for a manifest
    /// that declares some
    #[arg(long, env = "MILLRACE_KAFKA_CONFIGS", value_name = "PROGRAM")]
    pub kafka_configs: Option<PathBuf>,

    /// How long one request to the cluster may take, in milliseconds
    #[arg(long, env = "MILLRACE_KAFKA_ADMIN_TIMEOUT_MS", default_value_t = 10_000,
          value_parser = clap::value_parser!(u64).range(100..=120_000))]
    pub kafka_admin_timeout_ms: u64,
}

/// How to talk to the brokers. Who talks is always proved by SCRAM-SHA-512.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Security {
    /// Unencrypted: on one machine, or inside an encrypted network
    SaslPlaintext,
    /// Over TLS
    SaslSsl,
}

impl KafkaAdminConfig {
    /// `admin` with this password at these brokers, everything else by default.
    pub fn at(bootstrap: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            kafka_bootstrap: bootstrap.into(),
            kafka_security: Security::SaslPlaintext,
            kafka_admin_user: "admin".to_owned(),
            kafka_admin_password: password.into(),
            cluster_id: None,
            kafka_configs: None,
            kafka_admin_timeout_ms: 10_000,
        }
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_millis(self.kafka_admin_timeout_ms)
    }

    pub(super) fn client(&self) -> ClientConfig {
        let protocol = match self.kafka_security {
            Security::SaslPlaintext => "sasl_plaintext",
            Security::SaslSsl => "sasl_ssl",
        };
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", &self.kafka_bootstrap)
            .set("client.id", "millrace-catalog")
            .set("security.protocol", protocol)
            .set("sasl.mechanism", "SCRAM-SHA-512")
            .set("sasl.username", &self.kafka_admin_user)
            .set("sasl.password", &self.kafka_admin_password);
        client
    }
}

impl fmt::Debug for KafkaAdminConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaAdminConfig")
            .field("kafka_bootstrap", &self.kafka_bootstrap)
            .field("kafka_security", &self.kafka_security)
            .field("kafka_admin_user", &self.kafka_admin_user)
            .field("cluster_id", &self.cluster_id)
            .field("kafka_configs", &self.kafka_configs)
            .field("kafka_admin_timeout_ms", &self.kafka_admin_timeout_ms)
            .finish_non_exhaustive()
    }
}
