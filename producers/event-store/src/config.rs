//! How to reach the store.

use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, PgPool};

use crate::{Connections, SnapshotConfig, SnapshotPolicy, StoreError};

/// The event store's database, for the role that appends.
#[derive(Clone, Args)]
pub struct Config {
    /// The events' database as the role `app`, such as `postgres://app:…@localhost:5432/millrace_events?host=/run/postgresql`
    #[arg(long, env = "MILLRACE_EVENTS_APP_URL", hide_env_values = true, value_name = "URL")]
    pub events_url: String,

    /// Most connections that append at the same time
    #[arg(long, env = "MILLRACE_EVENTS_CONNECTIONS", default_value_t = 8, value_name = "N")]
    pub events_connections: u32,

    /// Longest wait for a free connection, in milliseconds; appends fail fast rather than queue up
    #[arg(long, env = "MILLRACE_EVENTS_ACQUIRE_MS_MAX", default_value_t = 5_000, value_name = "MS")]
    pub events_acquire_ms_max: u64,
}

/// The event store's database, for the role that reads everything.
#[derive(Clone, Args)]
pub struct AuditConfig {
    /// The events' database as the role `auditor`, which sees every tenant and may change nothing
    #[arg(long, env = "MILLRACE_EVENTS_AUDITOR_URL", hide_env_values = true, value_name = "URL")]
    pub events_auditor_url: String,
}

/// When a state is kept so that not its whole history has to be folded, and where.
#[derive(Debug, Clone, Args)]
pub struct SnapshotArgs {
    /// Events since an aggregate's last snapshot that make the next one due; 0: no number does
    #[arg(long, env = "MILLRACE_SNAPSHOT_EVENTS", default_value_t = policy().events.unwrap_or(0), value_name = "N")]
    pub snapshot_events: u64,

    /// Kilobytes of payloads since an aggregate's last snapshot that make the next one due; 0: no size does
    #[arg(long, env = "MILLRACE_SNAPSHOT_KILOBYTES", default_value_t = policy().bytes.unwrap_or(0) / 1024, value_name = "KB")]
    pub snapshot_kilobytes: u64,

    /// Time to load and fold an aggregate that makes a snapshot due, in milliseconds; 0: no time does
    #[arg(long, env = "MILLRACE_SNAPSHOT_LOAD_MS", default_value_t = policy().took.map_or(0, millis), value_name = "MS")]
    pub snapshot_load_ms: u64,

    /// Snapshots to keep of each aggregate, the newest
    #[arg(long, env = "MILLRACE_SNAPSHOTS_KEPT", default_value_t = policy().keep, value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..))]
    pub snapshots_kept: u16,

    /// States of one kind of aggregate to keep in memory at most
    #[arg(long, env = "MILLRACE_STATES_CACHED_MAX", default_value_t = SnapshotConfig::default().cached_max, value_name = "N")]
    pub states_cached_max: NonZeroUsize,

    /// How long a state is kept in memory after its events were read, in milliseconds; an erasure is in force after that
    #[arg(long, env = "MILLRACE_STATES_CACHED_MS_MAX", default_value_t = millis(SnapshotConfig::default().cached_for), value_name = "MS")]
    pub states_cached_ms_max: u64,
}

/// What the settings default to is said once, by the policy itself.
fn policy() -> SnapshotPolicy {
    SnapshotConfig::default().policy
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl From<&SnapshotArgs> for SnapshotConfig {
    fn from(args: &SnapshotArgs) -> Self {
        let limit = |value: u64| (value > 0).then_some(value);
        Self {
            policy: SnapshotPolicy {
                events: limit(args.snapshot_events),
                bytes: limit(args.snapshot_kilobytes).map(|kilobytes| kilobytes.saturating_mul(1024)),
                took: limit(args.snapshot_load_ms).map(Duration::from_millis),
                keep: args.snapshots_kept,
            },
            cached_max: args.states_cached_max,
            cached_for: Duration::from_millis(args.states_cached_ms_max),
        }
    }
}

impl Config {
    /// Connects once, so that a wrong URL shows now, and opens further connections as they are needed.
    pub async fn connect(&self) -> Result<Connections, StoreError> {
        let options = options(&self.events_url).map_err(not_connected)?;
        options.connect().await.map_err(not_connected)?;
        let acquire_max = Duration::from_millis(self.events_acquire_ms_max);
        Ok(Connections::new(options, self.events_connections, acquire_max))
    }
}

impl AuditConfig {
    /// Connects; three are enough for a reader, a question in between and a listener.
    pub async fn connect(&self) -> Result<PgPool, StoreError> {
        let options = options(&self.events_auditor_url).map_err(not_connected)?;
        PgPoolOptions::new().max_connections(3).connect_with(options).await.map_err(not_connected)
    }
}

fn options(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
    Ok(url.parse::<PgConnectOptions>()?.application_name("millrace"))
}

fn not_connected(source: sqlx::Error) -> StoreError {
    StoreError::Database { what: "connect to the events' database", source }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("events_url", &format_args!("…"))
            .field("events_connections", &self.events_connections)
            .field("events_acquire_ms_max", &self.events_acquire_ms_max)
            .finish()
    }
}

impl fmt::Debug for AuditConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditConfig").field("events_auditor_url", &format_args!("…")).finish()
    }
}
