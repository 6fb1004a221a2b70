//! Which of several janitors works.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::time::timeout;

/// How long the server may take to answer; after that the session counts as gone.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// A lock of the database that one session holds for as long as it lives. The server lets go of it when the session's
/// process dies, and so another janitor takes over.
#[derive(Debug)]
pub(crate) struct Leadership {
    options: PgConnectOptions,
    held: Option<PgConnection>,
}

impl Leadership {
    pub(crate) fn new(options: PgConnectOptions) -> Self {
        Self { options: options.application_name("millrace-janitor"), held: None }
    }

    /// Whether this janitor is the one: takes the lock if it is free, and looks whether the session that holds it still lives.
    /// Asked before every chore.
    pub(crate) async fn hold(&mut self) -> bool {
        if let Some(session) = &mut self.held {
            if timeout(ANSWER_MAX, session.ping()).await.is_ok_and(|answer| answer.is_ok()) {
                return true;
            }
            tracing::warn!("the session that held the janitor's lock is gone");
            self.held = None;
        }
        match timeout(ANSWER_MAX, self.take()).await {
            Ok(Ok(taken)) => self.held = taken,
            Ok(Err(error)) => tracing::warn!(%error, "the janitor's lock cannot be asked for"),
            Err(_) => tracing::warn!("the database does not answer for the janitor's lock"),
        }
        self.held.is_some()
    }

    async fn take(&self) -> Result<Option<PgConnection>, sqlx::Error> {
        let mut session = self.options.connect().await?;
        let taken =
            sqlx::query_scalar("select pg_try_advisory_lock(hashtextextended('millrace janitor', 0))")
                .fetch_one(&mut session)
                .await?;
        if taken {
            return Ok(Some(session));
        }
        session.close().await?;
        Ok(None)
    }
}
