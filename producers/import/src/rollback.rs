//! A run taken back: every aggregate it made is withdrawn, then what it stored is pruned.
//!
//! First all withdrawals, which tell every view to drop its row; then the pruning, which no view sees. Each step is found
//! done by looking at the store, so a roll-back that was killed goes on when it is started again.

use std::fmt;
use std::sync::Arc;

use event_store::{Append, AppendError, Deed, EventStore, Expected};
use events::{AggregateId, Metadata, TenantId, Timestamp};
use serde::Serialize;
use sqlx::postgres::PgPoolOptions;
use sqlx::types::Uuid;
use sqlx::{FromRow, PgPool};

use crate::bookkeeping::{Bookkeeping, failed};
use crate::target::event_id;
use crate::{Error, Run, State, Target};

/// Aggregates that are withdrawn in one append, and pruned in one transaction.
const BATCH: usize = 100;
/// How many kept aggregates are named; all are counted.
const NAMED_MAX: usize = 100;

/// Takes a run back.
pub struct Rollback<S> {
    store: Arc<S>,
    target: Arc<dyn Target>,
    books: Bookkeeping,
    owner: PgPool,
}

impl<S> fmt::Debug for Rollback<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rollback").field("books", &self.books).finish_non_exhaustive()
    }
}

/// An aggregate that a roll-back leaves as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Which.
    pub aggregate_id: AggregateId,
    /// Why.
    pub reason: String,
}

/// What a roll-back did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RolledBack {
    /// Aggregates that the run stored events of and that are there.
    pub aggregates: u64,
    /// Aggregates that are withdrawn now; those that were before included.
    pub withdrawn: u64,
    /// Events that were pruned.
    pub events_pruned: u64,
    /// Aggregates that are left as they are, since others have appended to them; the first of them.
    pub kept: Vec<Kept>,
    /// How many they are.
    pub kept_count: u64,
    /// Whether the run counts as rolled back.
    pub ended: bool,
}

/// An aggregate of the run, and where it stands.
#[derive(Debug, Clone, FromRow)]
struct Made {
    aggregate_id: Uuid,
    from_version: i64,
    to_version: i64,
    first_version: i64,
    last_version: i64,
    last_cause: Option<String>,
    before_type: Option<String>,
}

/// What every withdrawal says.
#[derive(Debug)]
struct Said<'a> {
    run: &'a Run,
    deed: &'a Deed,
    at: Timestamp,
    cause: &'a str,
}

impl Made {
    /// Whether this roll-back has withdrawn it already.
    fn is_withdrawn(&self, cause: &str) -> bool {
        self.last_version == self.to_version + 1 && self.last_cause.as_deref() == Some(cause)
    }

    /// Why it must stay, if it must.
    fn kept(&self, target: &dyn Target, cause: &str) -> Option<String> {
        if let Some(before) = self.before_type.as_deref().filter(|before| !target.is_withdrawal(before)) {
            return Some(format!(
                "others began it: the run's first event, version {}, follows their {before}",
                self.from_version
            ));
        }
        if self.last_version != self.to_version && !self.is_withdrawn(cause) {
            return Some(format!(
                "others have appended to it: versions {} to {}",
                self.to_version + 1,
                self.last_version
            ));
        }
        None
    }
}

impl<S: EventStore> Rollback<S> {
    /// `owner_url` is the events' database as the role `owner`, who alone may prune.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn connect(
        store: Arc<S>,
        target: Arc<dyn Target>,
        books: Bookkeeping,
        owner_url: &str,
    ) -> Result<Self, Error> {
        let owner = PgPoolOptions::new().max_connections(1).connect(owner_url).await;
        Ok(Self {
            store,
            target,
            books,
            owner: owner.map_err(failed("connect to the events' database as owner"))?,
        })
    }

    /// What a roll-back would do. Changes nothing.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn plan(&self, run: &Run) -> Result<RolledBack, Error> {
        let cause = cause(run);
        let made = self.made(run).await?;
        let mut planned = RolledBack { aggregates: made.len() as u64, ..RolledBack::default() };
        for one in &made {
            match one.kept(&*self.target, &cause) {
                Some(reason) => planned.keep(one, reason),
                None => {
                    planned.withdrawn += 1;
                    planned.events_pruned += (one.to_version - one.first_version + 1).unsigned_abs();
                }
            }
        }
        Ok(planned)
    }

    /// Withdraws what the run made, then prunes what it stored; nothing at all where others have appended to one of its
    /// aggregates, unless those may be `kept`. `at` is when the aggregates are said to be withdrawn.
    ///
    /// # Errors
    /// When the database fails; started again, it goes on.
    pub async fn run(
        &self,
        run: &Run,
        deed: &Deed,
        keep: bool,
        at: Timestamp,
        mut seen: impl FnMut(u64),
    ) -> Result<RolledBack, Error> {
        let planned = self.plan(run).await?;
        if run.state == State::RolledBack || (planned.kept_count > 0 && !keep) {
            return Ok(RolledBack {
                withdrawn: 0,
                events_pruned: 0,
                ended: run.state == State::RolledBack,
                ..planned
            });
        }
        self.note(run, false, deed, 0).await?;
        let (made, cause) = (self.made(run).await?, cause(run));
        let mut done = RolledBack { aggregates: made.len() as u64, ..RolledBack::default() };
        let said = Said { run, deed, at, cause: &cause };
        let mut withdrawn = Vec::with_capacity(made.len());
        for some in made.chunks(BATCH) {
            withdrawn.append(&mut self.withdraw(&said, some, &mut done).await?);
            done.withdrawn = withdrawn.len() as u64;
            seen(done.withdrawn);
        }
        for some in withdrawn.chunks(BATCH) {
            done.events_pruned += self.prune(some, deed).await?;
        }
        done.ended = done.kept_count == 0 || keep;
        self.note(run, true, deed, done.events_pruned).await?;
        Ok(done)
    }

    async fn made(&self, run: &Run) -> Result<Vec<Made>, Error> {
        sqlx::query_as(include_str!("../queries/import_run_aggregates.sql"))
            .bind(self.tenant().as_str())
            .bind(run.run_id)
            .fetch_all(&self.books.app)
            .await
            .map_err(failed("look what the run stored"))
    }

    fn tenant(&self) -> &TenantId {
        &self.books.tenant
    }

    /// Withdraws some; answers those that are withdrawn now.
    async fn withdraw<'a>(
        &self,
        said: &Said<'_>,
        some: &'a [Made],
        done: &mut RolledBack,
    ) -> Result<Vec<&'a Made>, Error> {
        let cause = said.cause;
        let (mut withdrawn, mut left): (Vec<_>, Vec<_>) =
            some.iter().partition(|one| one.is_withdrawn(cause));
        left.retain(|one| match one.kept(&*self.target, cause) {
            Some(reason) => {
                done.keep(one, reason);
                false
            }
            None => true,
        });
        while let Some(first) = left.first() {
            let aggregate_id = AggregateId(first.aggregate_id);
            let appends: Result<Vec<_>, _> = left.iter().map(|one| self.withdrawal(one, said)).collect();
            match self.store.append(self.tenant(), &appends?).await {
                Ok(_) => withdrawn.append(&mut left),
                // Somebody was faster: theirs stays, the others go.
                Err(AppendError::Conflict(conflicts)) => left.retain(|one| {
                    let conflict = conflicts.iter().find(|it| it.aggregate_id.0 == one.aggregate_id);
                    if let Some(conflict) = conflict {
                        done.keep(one, format!("others append to it: it is at version {}", conflict.actual));
                    }
                    conflict.is_none()
                }),
                Err(source) => return Err(Error::Append { aggregate_id, source: Box::new(source) }),
            }
        }
        Ok(withdrawn)
    }

    fn withdrawal(&self, one: &Made, said: &Said<'_>) -> Result<Append, Error> {
        let aggregate_id = AggregateId(one.aggregate_id);
        let because = Metadata {
            correlation_id: Some(said.run.run_id.to_string()),
            causation_id: Some(said.cause.to_owned()),
            actor: Some(said.deed.actor.clone()),
            ..Metadata::default()
        };
        let version = one.to_version.unsigned_abs();
        let event = self.target.withdraw(
            aggregate_id,
            event_id(aggregate_id, version + 1),
            said.at,
            &said.deed.reason,
            because,
        );
        let event = event.map_err(|refused| Error::Withdraw { aggregate_id, reason: refused.to_string() })?;
        Ok(Append {
            aggregate_id,
            aggregate_type: self.target.aggregate_type().to_owned(),
            expected: Expected::Exactly(version),
            events: vec![event],
        })
    }

    async fn prune(&self, some: &[&Made], deed: &Deed) -> Result<u64, Error> {
        let left: Vec<&&Made> = some.iter().filter(|one| one.first_version <= one.to_version).collect();
        if left.is_empty() {
            return Ok(0);
        }
        let pruned: Option<i64> = sqlx::query_scalar(include_str!("../queries/events_prune.sql"))
            .bind(self.tenant().as_str())
            .bind(&deed.actor)
            .bind(&deed.reason)
            .bind(left.iter().map(|one| one.aggregate_id).collect::<Vec<_>>())
            .bind(left.iter().map(|one| one.to_version).collect::<Vec<_>>())
            .fetch_one(&self.owner)
            .await
            .map_err(failed("prune what the run stored"))?;
        Ok(pruned.unwrap_or_default().unsigned_abs())
    }

    async fn note(&self, run: &Run, ended: bool, deed: &Deed, events: u64) -> Result<(), Error> {
        sqlx::query(include_str!("../queries/import_run_roll_back.sql"))
            .bind(self.tenant().as_str())
            .bind(run.run_id)
            .bind(ended)
            .bind(&deed.actor)
            .bind(&deed.reason)
            .bind(i64::try_from(events).unwrap_or(i64::MAX))
            .execute(&self.owner)
            .await
            .map(drop)
            .map_err(failed("note that the run is rolled back"))
    }
}

impl RolledBack {
    fn keep(&mut self, one: &Made, reason: String) {
        self.kept_count += 1;
        if self.kept.len() < NAMED_MAX {
            self.kept.push(Kept { aggregate_id: AggregateId(one.aggregate_id), reason });
        }
    }
}

/// What the withdrawals name as their cause.
fn cause(run: &Run) -> String {
    format!("rollback of {}", run.run_id)
}
