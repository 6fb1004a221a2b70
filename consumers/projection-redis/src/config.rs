//! Where Redis is.

use std::fmt;
use std::time::Duration;

use clap::Args;

/// Where a projection's Redis is and how long to wait for it.
#[derive(Clone, Args)]
pub struct RedisConfig {
    /// Address of Redis with its password, redis://:PASSWORD@HOST:PORT/; with commas between them, those of a primary and its
    /// replicas, or of some of a cluster's nodes
    #[arg(long = "redis-url", env = "MILLRACE_REDIS_URL", hide_env_values = true)]
    pub url: String,

    /// First part of every key; the projection's name when absent, so that projections never meet
    #[arg(long = "redis-namespace", env = "MILLRACE_REDIS_NAMESPACE")]
    pub namespace: Option<String>,

    /// How long Redis may take to connect or to answer. A script takes under a millisecond; two seconds outlast a
    /// rewrite of the append-only file, and are short enough to notice a dead server within a claim.
    #[arg(long = "redis-timeout-ms", env = "MILLRACE_REDIS_TIMEOUT_MS", default_value_t = 2_000)]
    pub timeout_ms: u64,
}

/// For how long things are kept in Redis.
#[derive(Debug, Clone, Args)]
pub struct RedisRetentionConfig {
    /// After how many seconds a finished view in Redis goes, counted from when it was finished. Its version stays: events that
    /// come again change nothing. 0: it never goes. The same for all projectors of a projection
    #[arg(long, env = "MILLRACE_REDIS_FINISHED_TTL_S", default_value_t = 0, value_name = "S")]
    pub redis_finished_ttl_s: u64,

    /// How many entries of the feed of changed rows in Redis a partition keeps at least; an entry is what one flush changed of one
    /// tenant. 0: none is written. The same for all projectors of a projection
    #[arg(long, env = "MILLRACE_REDIS_FEED_ENTRIES", default_value_t = 10_000, value_name = "N")]
    pub redis_feed_entries: u32,
}

impl RedisRetentionConfig {
    /// For how long finished views are kept; `None`: for ever.
    pub fn finished_ttl(&self) -> Option<Duration> {
        (self.redis_finished_ttl_s > 0).then(|| Duration::from_secs(self.redis_finished_ttl_s))
    }
}

impl RedisConfig {
    /// A configuration with the defaults.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), namespace: None, timeout_ms: 2_000 }
    }

    /// Each address.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &str> {
        self.url.split(',').map(str::trim)
    }

    /// How long to wait.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

impl fmt::Debug for RedisConfig {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let without = |address: &str| {
            let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
            let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
            format!("{scheme}://{host}")
        };
        let addresses: Vec<String> = self.addresses().map(without).collect();
        f.debug_struct("RedisConfig")
            .field("url", &format_args!("{}", addresses.join(",")))
            .field("namespace", &self.namespace)
            .field("timeout_ms", &self.timeout_ms)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_not_printed() {
        let config = RedisConfig::new("redis://:sec:r@t@127.0.0.1:6379/, redis://:sec@127.0.0.1:6380/");
        let printed = format!("{config:?}");
        assert!(printed.contains("redis://127.0.0.1:6379/,redis://127.0.0.1:6380/"), "{printed}");
        assert!(!printed.contains("sec"), "{printed}");
    }
}
