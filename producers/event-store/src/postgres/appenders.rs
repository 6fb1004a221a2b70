//! Who has appended and not ended its transaction: it holds every follower of the log back.
//!
//! A look at the locks by which appenders announce themselves (`settled_position()`), repeated by whoever keeps house.
//! The bound on how long followers are held back is `held_max` plus the time between two looks; the server's own bound on
//! idle transactions of the role `app` comes on top, for when nobody looks. A prepared transaction is told of by its name and
//! never ended; the servers of the tests allow none, so no test holds this.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use prometheus::{Gauge, IntCounter, IntGauge, Registry};
use sqlx::{PgPool, Row};

use super::faults::Doing;
use crate::StoreError;

/// An appender that is still open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAppender {
    /// The server's process; none for a transaction that was prepared, which nobody's process holds.
    pub pid: Option<i32>,
    /// What a prepared transaction is called; its owner ends it by that name.
    pub prepared: Option<String>,
    /// What the client calls itself.
    pub application_name: String,
    /// What it is doing, in the server's words: `idle in transaction`, `active`; or `prepared`, which only its owner can
    /// end; or `hidden`, when the role that looks is no member of the one that appends.
    pub state: String,
    /// How long it has been seen to hold followers back.
    pub held: Duration,
    /// Whether it was ended for that.
    pub ended: bool,
}

/// Looks after open appenders, and ends those that hold followers back for too long. Works as the role `owner`, which
/// must be a member of `app` to see and end its sessions.
#[derive(Debug)]
pub struct AppenderWatch {
    owner: PgPool,
    held_max: Duration,
    seen: HashMap<Transaction, Instant>,
    metrics: Metrics,
}

/// One transaction: of one session (process, when the session began, when the transaction did), or a prepared one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Transaction {
    OfSession(i32, Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    Prepared(Option<String>),
}

#[derive(Debug)]
struct Metrics {
    open: IntGauge,
    held_seconds: Gauge,
    ended: IntCounter,
}

impl AppenderWatch {
    /// Ends appenders that hold followers back for `held_max`.
    pub fn new(owner: PgPool, held_max: Duration) -> Self {
        Self { owner, held_max, seen: HashMap::new(), metrics: Metrics::new() }
    }

    /// Publishes what it counts.
    pub fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        registry.register(Box::new(self.metrics.open.clone()))?;
        registry.register(Box::new(self.metrics.held_seconds.clone()))?;
        registry.register(Box::new(self.metrics.ended.clone()))
    }

    /// One look, at `now` by the caller's clock. Answers who is open, and ends whom it first saw `held_max` ago.
    pub async fn look(&mut self, now: Instant) -> Result<Vec<OpenAppender>, StoreError> {
        let rows = sqlx::query(include_str!("../../queries/appender_list.sql"))
            .fetch_all(&self.owner)
            .await
            .doing("look for open appenders")?;
        let (mut seen, mut open) = (HashMap::new(), vec![]);
        for row in rows {
            let (pid, prepared): (Option<i32>, Option<String>) = (row.get("pid"), row.get("gid"));
            let transaction = match pid {
                Some(pid) => Transaction::OfSession(pid, row.get("backend_start"), row.get("xact_start")),
                None => Transaction::Prepared(prepared.clone()),
            };
            let since = *self.seen.get(&transaction).unwrap_or(&now);
            let held = now.saturating_duration_since(since);
            let ended = match transaction {
                Transaction::OfSession(pid, Some(session), Some(began)) if held >= self.held_max => {
                    self.end(pid, session, began).await?
                }
                _ => false,
            };
            seen.insert(transaction, since);
            let (application_name, state) = (row.get("application_name"), row.get("state"));
            open.push(OpenAppender { pid, prepared, application_name, state, held, ended });
        }
        self.seen = seen;
        let longest = open.iter().map(|appender| appender.held).max().unwrap_or_default();
        self.metrics.open.set(i64::try_from(open.len()).unwrap_or(i64::MAX));
        self.metrics.held_seconds.set(longest.as_secs_f64());
        self.metrics.ended.inc_by(open.iter().filter(|appender| appender.ended).count() as u64);
        Ok(open)
    }

    async fn end(&self, pid: i32, session: DateTime<Utc>, began: DateTime<Utc>) -> Result<bool, StoreError> {
        sqlx::query_scalar(include_str!("../../queries/appender_end.sql"))
            .bind(pid)
            .bind(session)
            .bind(began)
            .fetch_one(&self.owner)
            .await
            .doing("end an appender that holds followers back")
    }
}

impl Metrics {
    fn new() -> Self {
        let gauge = |name, help| IntGauge::new(name, help).expect("the name is valid");
        let name = "millrace_appender_held_seconds";
        let help = "Longest time that an open appender has been seen to hold followers of the log back";
        let ended = ("millrace_appender_ended_total", "Appenders ended because they held followers back");
        Self {
            open: gauge("millrace_appenders_open", "Transactions that appended and are still open"),
            held_seconds: Gauge::new(name, help).expect("the name is valid"),
            ended: IntCounter::new(ended.0, ended.1).expect("the name is valid"),
        }
    }
}
