//! How to reach the store as its owner.

use std::fmt;

use clap::Args;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::Error;
use crate::error::Doing;

/// The event store's database, for the role that owns it.
#[derive(Clone, Args)]
pub struct OwnerConfig {
    /// The events' database as the role `owner`
    #[arg(long, env = "MILLRACE_EVENTS_OWNER_URL", hide_env_values = true, value_name = "URL")]
    pub events_owner_url: String,
}

impl OwnerConfig {
    /// Connects; two connections are enough for one deed and a question in between.
    pub async fn connect(&self) -> Result<PgPool, Error> {
        let pool = PgPoolOptions::new().max_connections(2).connect(&self.events_owner_url).await;
        pool.doing("connect to the events' database as its owner")
    }
}

impl fmt::Debug for OwnerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnerConfig").field("events_owner_url", &format_args!("…")).finish()
    }
}
