//! How to reach the store.

use std::fmt;
use std::time::Duration;

use clap::Args;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::StoreError;

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

impl Config {
    /// Connects. A connection is not tested before each use, which would be a second round trip per append.
    pub async fn connect(&self) -> Result<PgPool, StoreError> {
        let pool = PgPoolOptions::new()
            .max_connections(self.events_connections)
            .acquire_timeout(Duration::from_millis(self.events_acquire_ms_max))
            .test_before_acquire(false);
        connect(&self.events_url, pool).await
    }
}

impl AuditConfig {
    /// Connects; two connections are enough for one reader and a question in between.
    pub async fn connect(&self) -> Result<PgPool, StoreError> {
        connect(&self.events_auditor_url, PgPoolOptions::new().max_connections(2)).await
    }
}

async fn connect(url: &str, pool: PgPoolOptions) -> Result<PgPool, StoreError> {
    let connect =
        async { pool.connect_with(url.parse::<PgConnectOptions>()?.application_name("millrace")).await };
    connect.await.map_err(|source| StoreError::Database { what: "connect to the events' database", source })
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
