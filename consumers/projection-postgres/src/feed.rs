//! The feed: which rows changed, told by the transaction that changes them.

use std::time::{Duration, Instant};

use clap::Args;
use sqlx::PgConnection;

use crate::Error;

/// The shortest time that a feed is kept, if there is one: whoever follows it may stall for a moment.
const RETENTION_S_MIN: u32 = 60;

/// Longest time between two times that what is too old is forgotten.
const KEEP_EVERY_MAX: Duration = Duration::from_secs(30);

/// Whether a feed of view changes is written, and for how long it is kept.
#[derive(Debug, Clone, Args)]
pub struct PostgresFeedConfig {
    /// How long the feed of changed rows in Postgres is kept, in seconds: a client of a stream that was away for less misses nothing.
    /// 0: none is written. The same for all projectors of a projection
    #[arg(long, env = "MILLRACE_FEED_RETENTION_S", default_value_t = 3_600, value_name = "S", value_parser = retention_s)]
    pub feed_retention_s: u32,
}

fn retention_s(text: &str) -> Result<u32, String> {
    let read = text.parse().ok().filter(|seconds| *seconds == 0 || *seconds >= RETENTION_S_MIN);
    read.ok_or_else(|| format!("not 0, nor a whole number of seconds from {RETENTION_S_MIN} on"))
}

impl PostgresFeedConfig {
    /// For how long it is kept; `None`: there is none.
    pub fn retention(&self) -> Option<Duration> {
        (self.feed_retention_s > 0).then(|| Duration::from_secs(self.feed_retention_s.into()))
    }
}

/// The feed of one projection, as its owner writes it.
#[derive(Debug)]
pub(crate) struct Feed {
    retention: Option<Duration>,
    kept: Instant,
}

impl Feed {
    pub(crate) fn new(retention: Option<Duration>) -> Self {
        Self { retention, kept: Instant::now() }
    }

    /// Whether changes are written to it.
    pub(crate) fn is_on(&self) -> bool {
        self.retention.is_some()
    }

    /// A feed that is written from now on begins, unless it is there; one that is not is no more.
    pub(crate) async fn begin_or_end(
        &self,
        connection: &mut PgConnection,
        projection: &str,
    ) -> Result<(), Error> {
        let sql = match self.is_on() {
            true => include_str!("../queries/feed_begin.sql"),
            false => include_str!("../queries/feed_end.sql"),
        };
        let begun = sqlx::query(sql).bind(projection).execute(connection).await;
        begun.map(drop).map_err(Error::sql("begin or end", "projection_change"))
    }

    /// Forgets what is too old, now and then.
    pub(crate) async fn keep(
        &mut self,
        connection: &mut PgConnection,
        projection: &str,
    ) -> Result<(), Error> {
        let is_due = |retention: &Duration| self.kept.elapsed() >= KEEP_EVERY_MAX.min(*retention / 2);
        let Some(retention) = self.retention.filter(is_due) else { return Ok(()) };
        self.kept = Instant::now();
        sqlx::query(include_str!("../queries/feed_keep.sql"))
            .bind(projection)
            .bind(retention.as_secs_f64())
            .execute(connection)
            .await
            .map(drop)
            .map_err(Error::sql("forget the oldest of", "projection_change"))
    }
}

/// Tells who follows the feed that everything is to be read anew, in the transaction that makes it so.
pub(crate) async fn reset(
    connection: &mut PgConnection,
    projection: &str,
    reason: &str,
) -> Result<(), sqlx::Error> {
    let reset = sqlx::query(include_str!("../queries/feed_reset.sql")).bind(projection).bind(reason);
    reset.execute(connection).await.map(drop)
}
