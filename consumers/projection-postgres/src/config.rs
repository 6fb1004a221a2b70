//! How the views' database is reached.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use kafka::Password;
use sqlx::postgres::PgConnectOptions;

use crate::Error;

/// Where the views are, and how long their database may take.
#[derive(Debug, Clone, Args)]
pub struct PostgresConfig {
    /// The views' database as `views_writer`, as a postgres:// URL; a Unix socket goes into `?host=`
    #[arg(long, env = "MILLRACE_VIEWS_WRITER_URL", hide_env_values = true)]
    pub views_url: Password,

    /// Longest run of one statement, in milliseconds
    #[arg(long, env = "MILLRACE_VIEWS_STATEMENT_TIMEOUT_MS", default_value_t = 5_000)]
    pub views_statement_timeout_ms: u64,

    /// Longest wait for a lock, in milliseconds; a stalled owner's row lock ends a claim's patience here
    #[arg(long, env = "MILLRACE_VIEWS_LOCK_TIMEOUT_MS", default_value_t = 1_500)]
    pub views_lock_timeout_ms: u64,

    /// Longest wait for a connection, in milliseconds
    #[arg(long, env = "MILLRACE_VIEWS_CONNECT_TIMEOUT_MS", default_value_t = 1_500)]
    pub views_connect_timeout_ms: u64,
}

impl PostgresConfig {
    /// The connection's settings: every wait of a session has a bound, and a commit is on disk when it is answered.
    pub fn options(&self, application: &str) -> Result<PgConnectOptions, Error> {
        let options = PgConnectOptions::from_str(self.views_url.expose()).map_err(Error::Url)?;
        let statement = format!("{}ms", self.views_statement_timeout_ms);
        Ok(options.application_name(application).options([
            ("statement_timeout", statement.as_str()),
            ("lock_timeout", &format!("{}ms", self.views_lock_timeout_ms)),
            // An owner that stalls inside its transaction must not block the next one's claim for ever.
            ("idle_in_transaction_session_timeout", &statement),
            ("synchronous_commit", "on"),
        ]))
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.views_connect_timeout_ms.max(1))
    }
}
