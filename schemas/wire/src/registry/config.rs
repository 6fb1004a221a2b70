//! Where the registry is.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::shown;

/// How to reach the schema registry.
#[derive(Clone, Args)]
pub struct RegistryConfig {
    /// The registry's Confluent-compatible address, such as `http://127.0.0.1:8081/apis/ccompat/v7`
    #[arg(long, env = "MILLRACE_REGISTRY_URL")]
    pub registry_url: String,

    /// How long an answer may take, further attempts included, in milliseconds; a partition is held meanwhile
    #[arg(long, env = "MILLRACE_REGISTRY_TIMEOUT_MS", default_value_t = 2000,
          value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub registry_timeout_ms: u64,

    /// Where schemas and ids are kept for a start while the registry is away; nowhere by default
    #[arg(long, env = "MILLRACE_REGISTRY_CACHE", value_name = "DIR")]
    pub registry_cache: Option<PathBuf>,
}

impl RegistryConfig {
    /// The registry at `url`, everything else by default.
    pub fn at(url: impl Into<String>) -> Self {
        Self { registry_url: url.into(), registry_timeout_ms: 2000, registry_cache: None }
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_millis(self.registry_timeout_ms)
    }
}

impl fmt::Debug for RegistryConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryConfig")
            .field("registry_url", &shown(&self.registry_url))
            .field("registry_timeout_ms", &self.registry_timeout_ms)
            .field("registry_cache", &self.registry_cache)
            .finish()
    }
}
