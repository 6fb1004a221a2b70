//! Asks for the keys of the requests that came over HTTP, no faster than each wants it.

use std::time::Duration;

use dead_letters::Operator;
use prometheus::IntCounter;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

/// How often it is looked for keys that are due.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How often somebody who waits for the turn, or for the database, tries again.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// Most keys of one request that are asked for at one look: with [`LOOK_EVERY`], the fastest pace there is.
const KEYS_MAX: i32 = 100;

/// The most keys a second that a request may want.
pub(super) const KEYS_PER_S_MAX: f64 = 1_000.0;

/// Keeps the pace in one process at a time, on a connection of its own. What is due is told by what is written down, so
/// that another process goes on where one ended, however it ended.
#[derive(Debug)]
pub(super) struct Pace {
    views: PgConnectOptions,
    turns: IntCounter,
}

impl Pace {
    pub(super) fn new(views: PgConnectOptions) -> Self {
        let (name, help) =
            ("millrace_parked_turns_total", "Parked keys whose turn came, of requests over HTTP");
        Self { views, turns: IntCounter::new(name, help).expect("the name is valid") }
    }

    /// Has its counter served.
    pub(super) fn register(&self, registry: &prometheus::Registry) -> prometheus::Result<()> {
        registry.register(Box::new(self.turns.clone()))
    }

    /// Goes on for ever.
    pub(super) async fn keep(self) {
        loop {
            if let Err(error) = self.keep_once().await {
                tracing::warn!("nobody is asked for parked keys just now: {error:#}");
            }
            tokio::time::sleep(TRY_EVERY).await;
        }
    }

    /// For as long as the connection lives.
    async fn keep_once(&self) -> anyhow::Result<()> {
        let mut connection = PgConnection::connect_with(&self.views).await?;
        let mut operator = Operator::new(&mut connection);
        while !operator.keep_pace().await? {
            tokio::time::sleep(TRY_EVERY).await;
        }
        loop {
            self.turns.inc_by(operator.ask_due(KEYS_MAX).await?);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
